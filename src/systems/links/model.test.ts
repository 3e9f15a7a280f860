import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createManualClock } from '#base/clock';
import type { SchemaNode } from '#base/options/schema';
import { sql } from '#blocks/database';
import { startTestDatabase } from '#fixtures/database';
import { getLink } from './api.ts';
import { readRealUrls } from './fixture.ts';
import { cacheEntryBytes, linkBytesStored, linksModel, URL_BYTES } from './model.ts';
import { linksOptions } from './options.ts';
import { createTargetCache } from './redirect/target-cache.ts';

const LINKS = 20_000;
const TOLERANCE = 0.25;

function assertNear(model: number, measured: number): void {
  const off = Math.abs(model / measured - 1);
  assert(off <= TOLERANCE, `${model.toFixed(0)} by the model, ${measured.toFixed(0)} measured`);
}

test('a URL is taken to be as long as the median of the corpus', () => {
  const lengths = readRealUrls()
    .map((url) => Buffer.byteLength(url))
    .sort((a, b) => a - b);
  assertNear(URL_BYTES, lengths[Math.floor(lengths.length / 2)] ?? 0);
});

test('a read is as consistent as its route says', () => {
  assert.equal(linksModel.operations.read?.().consistency, getLink.consistency);
});

test('a link takes about what the model says', async () => {
  const migrations = [
    { room: 'links', schema: 'links', directory: new URL('./migrations/', import.meta.url) },
  ];
  const { admin } = await startTestDatabase({ migrations });
  for (const urlBytes of [60, 600]) {
    await admin.run(sql`truncate links.links, links.codes`);
    await admin.run(sql`
      insert into links.links (workspace_id, bucket, link_id, domain, code, url, redirect_status, created_by, created_at,
        updated_at)
      select 1, 0, i::bigint << 22, '', substr(md5(i::text), 1, 7), repeat('x', ${urlBytes}::integer), 302, 'root',
        now(), now()
      from generate_series(1, ${LINKS}::integer) i`);
    await admin.run(sql`
      insert into links.codes (domain, code, workspace_id, bucket, link_id)
      select '', code, workspace_id, bucket, link_id from links.links on conflict do nothing`);
    const row = await admin.first<{ bytes: number }>(sql`
      select (pg_total_relation_size('links.links') + pg_total_relation_size('links.codes'))::float8 as bytes`);
    assertNear(linkBytesStored(urlBytes), (row?.bytes ?? 0) / LINKS);
  }
});

test('a kept redirect takes about what the model says', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const ENTRIES = 100_000;
  const options = { entriesMax: ENTRIES, ttlMs: 1000, staleMsMax: 1000 };
  collect();
  const before = process.memoryUsage().heapUsed;
  const cache = createTargetCache(options, { clock: createManualClock() });
  for (let i = 0; i < ENTRIES; i++) {
    // From bytes, as they come from the database: a concatenation would only refer to its parts.
    const code = Buffer.from(i.toString(36).padStart(7, '0')).toString('latin1');
    const url = Buffer.from(`https://example.com/${i}`.padEnd(URL_BYTES, 'x')).toString('latin1');
    cache.keep(code, cache.begin(code), { url, redirectStatus: 302, expiresAtMs: null });
  }
  collect();
  assertNear(cacheEntryBytes(URL_BYTES), (process.memoryUsage().heapUsed - before) / ENTRIES);
  assert.equal(cache.size(), ENTRIES);
});

test('redirects that are to be kept become an option, within its bounds', () => {
  const bound = linksOptions.properties.cacheEntriesMax as SchemaNode;
  assert.deepEqual(linksModel.optionsFor?.(1000), {});
  assert.deepEqual(linksModel.optionsFor?.(100_000.5), { cacheEntriesMax: 100_001 });
  assert.deepEqual(linksModel.optionsFor?.(1e12), { cacheEntriesMax: bound.maximum });
});
