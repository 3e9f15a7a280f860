/**
 * Two servers on one Postgres, under load; one of the three is killed in each round, and what survives is compared with
 * what was acknowledged: links, events, jobs and the projection.
 *
 * Each server relays, works off jobs and projects, so to kill the one that holds the relay's lease is to kill the relay, and
 * so on. Every request carries a key and is repeated, at either server, until it is acknowledged.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { sleep, systemClock } from '#base/clock';
import { type Random, seededRandom } from '#base/random';
import { sql } from '#blocks/database';
import { lookInto, startTestPostgres, type TestPostgres } from '#fixtures/database';
import { readSeed } from './crash.fixture.ts';
import { createScene, eventually, FREE_PORT, type Loadstone, type Scene } from './process.fixture.ts';

const KEY = 'a-root-key-for-the-crash-tests';
const MASTER_KEY = Buffer.alloc(32, 7).toString('base64url');
const WRITERS = 12;
/** From the first acknowledged link of a round to its kill, and from there to the end of its load. */
const WRITING_MS = { min: 50, max: 800 };
/** A share of the links expires at once, so that their jobs run in the middle of it all. */
const SHORT_TTL_SHARE = 0.3;
const LONG_TTL_SHARE = 0.2;
const RETRY_MS = 20;
const SETTLE_BOUND_MS = 90_000;
const REPLAYED = 20;
/** Short leases, so that a round does not wait for those of the killed. */
const CONFIGURATION = `
outbox: { leaseMs: 500 }
stream: { leaseMs: 500 }
queue: { leaseMs: 1000 }
log: { level: warn }
`;

const FAULTS = ['server', 'relay', 'worker', 'postgres', 'both servers'] as const;
export type Fault = (typeof FAULTS)[number];

interface Written {
  url: string;
  key: string;
  body: object;
  isShort: boolean;
  linkId?: string;
}

export interface DurabilityRun {
  /** How many links were acknowledged. */
  acknowledged(): number;
  start(): Promise<void>;
  /** Writes, kills, has the killed come back, waits until all has settled, and checks. */
  round(): Promise<Fault>;
  /** Ends writers that a failed round has left. */
  giveUp(): void;
}

function between({ min, max }: { min: number; max: number }, random: Random): number {
  return min + (max - min) * random.fraction();
}

/** @param url of the database of both servers, which `admin` looks into */
export function createDurabilityRun(
  scene: Scene,
  { url, admin, seed }: { url: string; admin: TestPostgres['admin']; seed: number },
): DurabilityRun {
  const random = seededRandom(seed);
  // Of its own, since how often the writers draw is a matter of time.
  const faults = seededRandom(seed + 1);
  const givenUp = new AbortController();
  const written: Written[] = [];
  const servers: (Loadstone | undefined)[] = [undefined, undefined];
  const directories = servers.map(() => scene.directory());

  async function startServer(at: number): Promise<void> {
    const directory = directories[at] as string;
    const config = join(directory, 'loadstone.yaml');
    writeFileSync(config, CONFIGURATION);
    const args = [
      '--data',
      join(directory, 'data'),
      '--listen',
      FREE_PORT,
      '--database',
      url,
      '--config',
      config,
    ];
    const env = { LOADSTONE_ROOT_KEY: KEY, LOADSTONE_MASTER_KEY: MASTER_KEY };
    servers[at] = await scene.start({ data: join(directory, 'data'), key: KEY, env, args, cwd: directory });
  }

  async function killServer(at: number): Promise<void> {
    const server = servers[at];
    servers[at] = undefined;
    await server?.kill9();
  }

  // Writing.

  function nextLink(): Written {
    const number = written.length + 1;
    const kind = random.fraction();
    const isShort = kind < SHORT_TTL_SHARE;
    const ttl = isShort ? { ttl: 1 } : kind < SHORT_TTL_SHARE + LONG_TTL_SHARE ? { ttl: 3600 } : {};
    const target = `https://example.com/${seed}/${number}`;
    const next = { url: target, key: `key-${number}`, body: { url: target, ...ttl }, isShort };
    written.push(next);
    return next;
  }

  async function post(server: Loadstone, { key, body }: Written) {
    const response = await fetch(`${server.url}/v1/links`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${KEY}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      },
      body: JSON.stringify(body),
    });
    const answer = (await response.json()) as { id?: string; code: string };
    return { status: response.status, answer, replayed: response.headers.get('idempotency-replayed') };
  }

  /** Until some server has acknowledged it; whatever failed in between may have been carried out. */
  async function insist(link: Written): Promise<void> {
    while (!givenUp.signal.aborted) {
      const alive = servers.filter((server) => server !== undefined);
      const server = alive[Math.floor(random.fraction() * alive.length)];
      const reply = server && (await post(server, link).catch(() => undefined));
      if (reply?.status === 201) {
        link.linkId = reply.answer.id as string;
        return;
      }
      const isLate = reply && (reply.status >= 500 || reply.answer.code === 'idempotency_in_progress');
      assert(reply === undefined || isLate, JSON.stringify(reply));
      await sleep(systemClock, RETRY_MS);
    }
  }

  async function load(signal: AbortSignal, onFirst: () => void): Promise<void> {
    while (!signal.aborted) {
      await insist(nextLink());
      onFirst();
    }
  }

  // Faults.

  /** The server that holds the relay's lease, or one that has jobs in hand: its name there has its pid. */
  async function find(fault: 'relay' | 'worker'): Promise<number> {
    const holders = await admin.rows<{ holder: string }>(
      fault === 'relay'
        ? sql`select holder from core.leases where name = 'relay' and holder is not null`
        : sql`select worker as holder from core.job_leases order by cardinality(job_ids) desc`,
    );
    const at = servers.findIndex((server) => holders[0]?.holder.includes(`:${server?.pid}:`));
    return at === -1 ? 0 : at;
  }

  async function inflict(fault: Fault): Promise<void> {
    if (fault === 'postgres') {
      const postmaster = await admin.first<{ pid: number }>(sql`
        select pg_catalog.split_part(pg_read_file('postmaster.pid'), chr(10), 1)::integer as pid`);
      process.kill(postmaster?.pid ?? 0, 'SIGKILL');
      return;
    }
    const targets = fault === 'both servers' ? [0, 1] : [fault === 'server' ? 1 : await find(fault)];
    await Promise.all(targets.map(killServer));
  }

  async function comeBack(): Promise<void> {
    await Promise.all(servers.map((server, at) => (server ? undefined : startServer(at))));
    for (const server of servers) {
      assert(!server?.hasExited(), `a server ended by itself: ${server?.stdout()}${server?.stderr()}`);
      await eventually(
        'it is ready again',
        async () => (await fetch(`${server?.url}/readyz`)).ok,
        SETTLE_BOUND_MS,
      );
    }
  }

  // What is left.

  async function isSettled(): Promise<boolean> {
    const left = await admin.first<{ outbox: number; due: number; aside: number; behind: number }>(sql`
      select (select count(*) from core.outbox)::integer as outbox,
        (select count(*) from core.jobs where run_at_ms <= extract(epoch from now()) * 1000 + 60000)::integer as due,
        (select count(*) from core.stream_aside)::integer as aside,
        (select count(*) from core.stream_events as event
          join core.stream_offsets as done using (stream_id, partition)
          where event.position > done.position)::integer as behind`);
    return left !== undefined && left.outbox + left.due + left.aside + left.behind === 0;
  }

  async function listLinks(server: Loadstone): Promise<{ id: string; url: string }[]> {
    const links: { id: string; url: string }[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page = await server.request(`/v1/links?limit=100${cursor && `&cursor=${cursor}`}`);
      const body = (await page.json()) as { items: typeof links; nextCursor: string | null };
      links.push(...body.items);
      cursor = body.nextCursor;
    }
    return links;
  }

  async function checkLinks(server: Loadstone): Promise<void> {
    const links = await listLinks(server);
    assert.equal(links.length, written.length, `as many links as were acknowledged, with seed ${seed}`);
    const byUrl = new Map(links.map(({ id, url: target }) => [target, id]));
    for (const link of written)
      assert.equal(byUrl.get(link.url), link.linkId, `${link.url} with seed ${seed}`);
  }

  /** One creation for each link, and one expiry for each whose time has come: none lost, none twice. */
  async function checkEvents(): Promise<void> {
    const events = await admin.rows<{ key: string; types: string[] }>(sql`
      select key, array_agg(type order by position) as types from core.stream_events group by key`);
    const typesOf = new Map(events.map(({ key, types }) => [key, types.join()]));
    assert.equal(typesOf.size, written.length);
    for (const { linkId = '', isShort } of written) {
      const expected = isShort ? 'link.created,link.expired' : 'link.created';
      assert.equal(typesOf.get(linkId), expected, `${linkId} with seed ${seed}`);
    }
  }

  async function checkProjection(server: Loadstone): Promise<void> {
    const expired = written.filter(({ isShort }) => isShort).length;
    const counts = await (await server.request('/v1/links/counts')).json();
    assert.deepEqual(counts, { live: written.length - expired, expired }, `with seed ${seed}`);
    const verified = await scene.run(['verify', '--database', url, '--data', server.data]);
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  }

  async function checkReplays(server: Loadstone): Promise<void> {
    for (let count = 0; count < REPLAYED; count++) {
      const link = written[Math.floor(random.fraction() * written.length)] as Written;
      const { status, answer, replayed } = await post(server, link);
      assert.deepEqual([status, answer.id, replayed], [201, link.linkId, 'true'], `with seed ${seed}`);
    }
  }

  return {
    acknowledged: () => written.length,
    async start() {
      // One after the other: the first one migrates.
      await startServer(0);
      await startServer(1);
    },
    async round() {
      const fault = FAULTS[Math.floor(faults.fraction() * FAULTS.length)] as Fault;
      const over = new AbortController();
      const { promise: first, resolve: onFirst } = Promise.withResolvers<void>();
      const writers = Promise.all(Array.from({ length: WRITERS }, () => load(over.signal, onFirst)));
      // Looked at below; until then its failure must not count as unhandled.
      writers.catch(() => {});
      await Promise.race([first, writers]);
      await sleep(systemClock, between(WRITING_MS, random));
      await inflict(fault);
      await sleep(systemClock, between(WRITING_MS, random));
      await comeBack();
      over.abort();
      await writers;
      await eventually('all has settled', isSettled, SETTLE_BOUND_MS);
      const server = servers[0] as Loadstone;
      await checkLinks(server);
      await checkEvents();
      await checkProjection(server);
      await checkReplays(server);
      return fault;
    },
    giveUp: () => givenUp.abort(),
  };
}

/** The whole campaign, with its seed told. */
export async function runDurability(t: TestContext, rounds: number): Promise<void> {
  const seed = readSeed();
  t.diagnostic(`seed ${seed} (the same again: LOADSTONE_SEED=${seed})`);
  const scene = createScene(t);
  const postgres = await startTestPostgres();
  const url = await postgres.makeDatabase();
  const behind = lookInto(url);
  const run = createDurabilityRun(scene, { url, admin: behind.admin, seed });
  try {
    await run.start();
    for (let round = 1; round <= rounds; round++) t.diagnostic(`round ${round}: ${await run.round()}`);
    t.diagnostic(`${run.acknowledged()} links`);
  } finally {
    run.giveUp();
    await behind.close();
  }
}
