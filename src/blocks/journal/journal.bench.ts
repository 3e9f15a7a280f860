/**
 * What an append costs, against the plain ways to append to a file; what it adds to an HTTP request (needs `wrk`); and
 * how fast records are shipped. Run it with Node: `node src/blocks/journal/journal.bench.ts`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { sleep, systemClock } from '#base/clock';
import { silentLog } from '#base/log';
import { createMetrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import { systemRandom } from '#base/random';
import { createDatabase, databaseOptions, sql } from '#blocks/database';
import { createJournal, type Journal } from './journal.ts';
import { journalMigrations } from './migrations.ts';
import { type JournalOptions, journalOptions, shipperOptions } from './options.ts';
import { createShipper } from './shipping/shipper.ts';

const ROUND_MS = 1000;
const ROUNDS = 3;
const REQUEST_ROUNDS = 5;
const SHIPPED_RECORDS = 300_000;
const never = new AbortController().signal;
const scratch = mkdtempSync(join(tmpdir(), 'loadstone-journal-bench-'));
const deps = { clock: systemClock, random: systemRandom, log: silentLog };

type Append = (record: Buffer) => Promise<unknown>;

interface Way {
  name: string;
  open(): Promise<{ append: Append; close(): Promise<void> }>;
}

let opened = 0;

async function openJournal(options: Partial<JournalOptions>): Promise<Journal & { root: string }> {
  const root = join(scratch, String(opened++));
  const parsed = parseOptions(journalOptions, { bytesMax: 32 * 2 ** 30, ...options });
  const metrics = createMetrics();
  const journal = createJournal(
    { name: 'bench', ...parsed },
    { ...deps, metrics, tick: setImmediate, directory: root },
  );
  await journal.start(never);
  return { ...journal, root };
}

async function closeJournal(journal: Journal & { root: string }): Promise<void> {
  await journal.stop(never);
  rmSync(journal.root, { recursive: true });
}

function journalWay(name: string, options: Partial<JournalOptions>): Way {
  return {
    name,
    async open() {
      const journal = await openJournal(options);
      return { append: journal.append, close: () => closeJournal(journal) };
    },
  };
}

function appendFileWay(name: string, flush: boolean): Way {
  return {
    name,
    async open() {
      const file = join(scratch, String(opened++));
      return { append: (record) => appendFile(file, record, { flush }), close: async () => rmSync(file) };
    },
  };
}

const streamWay: Way = {
  name: 'WriteStream',
  async open() {
    const file = join(scratch, String(opened++));
    const stream = createWriteStream(file);
    return {
      append: (record) => new Promise((resolve) => stream.write(record, resolve)),
      async close() {
        stream.end();
        await once(stream, 'close');
        rmSync(file);
      },
    };
  },
};

interface Figures {
  perSecond: number;
  cpuUs: number;
  p50Us: number;
  p99Us: number;
}

/** `callers` at once, each waiting for its last append before the next. */
async function measure(append: Append, size: number, callers: number): Promise<Figures> {
  const record = Buffer.alloc(size, 'x');
  const latencies: number[] = [];
  const beganMs = systemClock.monotonicMs();
  const cpu = process.cpuUsage();
  async function call(): Promise<void> {
    for (let nowMs = beganMs; nowMs - beganMs < ROUND_MS; ) {
      await append(record);
      const doneMs = systemClock.monotonicMs();
      latencies.push(doneMs - nowMs);
      nowMs = doneMs;
    }
  }
  await Promise.all(Array.from({ length: callers }, call));
  const tookMs = systemClock.monotonicMs() - beganMs;
  const { user, system } = process.cpuUsage(cpu);
  latencies.sort((a, b) => a - b);
  const count = latencies.length;
  return {
    perSecond: (count / tookMs) * 1000,
    cpuUs: (user + system) / count,
    p50Us: latencies[Math.floor(count * 0.5)]! * 1000,
    p99Us: latencies[Math.floor(count * 0.99)]! * 1000,
  };
}

const say = (line: string) => void process.stdout.write(`${line}\n`);
const number = (value: number, digits = 0) =>
  value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
const row = (...cells: string[]) => say(`| ${cells.join(' | ')} |`);

/** The round with the median rate. */
async function medianOf(way: Way, size: number, callers: number): Promise<Figures> {
  const rounds: Figures[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const { append, close } = await way.open();
    const figures = await measure(append, size, callers);
    await close();
    if (round > 0) rounds.push(figures);
  }
  return rounds.sort((a, b) => a.perSecond - b.perSecond)[Math.floor(ROUNDS / 2)]!;
}

async function benchAppends(): Promise<void> {
  const ways = [
    journalWay('journal', {}),
    appendFileWay('fs.appendFile', false),
    streamWay,
    journalWay('journal, fsync', { fsync: true }),
    appendFileWay('fs.appendFile, flush', true),
  ];
  row('way', 'bytes', 'callers', 'appends/s', 'CPU µs each', 'p50 µs', 'p99 µs');
  row('---', '--:', '--:', '--:', '--:', '--:', '--:');
  for (const size of [64, 1024]) {
    for (const callers of [1, 64]) {
      for (const way of ways) {
        const { perSecond, cpuUs, p50Us, p99Us } = await medianOf(way, size, callers);
        const figures = [number(perSecond), number(cpuUs, 2), number(p50Us), number(p99Us)];
        row(way.name, String(size), String(callers), ...figures);
      }
    }
  }
}

/** CPU µs of this process per request, with 64 connections of wrk in another one. */
async function cpuPerRequest(onRequest: () => unknown): Promise<number | undefined> {
  let requests = 0;
  async function answer(response: ServerResponse): Promise<void> {
    requests += 1;
    await onRequest();
    response.end('ok');
  }
  const server = createServer((_, response) => void answer(response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const wrk = (seconds: number) => spawn('wrk', ['-t1', '-c64', `-d${seconds}s`, url], { stdio: 'ignore' });
  try {
    await once(wrk(1), 'exit');
    requests = 0;
    const cpu = process.cpuUsage();
    await once(wrk(2), 'exit');
    const { user, system } = process.cpuUsage(cpu);
    return (user + system) / requests;
  } catch {
    return undefined;
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function benchRequests(): Promise<void> {
  const journal = await openJournal({});
  const record = Buffer.alloc(200, 'x');
  const ways = {
    none: () => undefined,
    offer: () => journal.offer(record),
    append: () => journal.append(record),
  };
  const found: Record<string, number[]> = { none: [], offer: [], append: [] };
  for (let round = 0; round < REQUEST_ROUNDS; round++) {
    for (const [name, onRequest] of Object.entries(ways)) {
      const cpuUs = await cpuPerRequest(onRequest);
      if (cpuUs === undefined) return say('no figures per request: wrk is missing');
      found[name]!.push(cpuUs);
    }
  }
  await closeJournal(journal);
  // The least of the rounds: a neighbour on the machine only ever adds.
  const least = (name: string) => Math.min(...found[name]!);
  for (const name of Object.keys(ways)) {
    const added = least(name) - least('none');
    say(
      `a bare request with ${name}: ${number(least(name), 2)} µs CPU, ${number(added, 2)} more than without`,
    );
  }
}

const CLICKS = `create table bench.clicks (at_ms bigint not null, link_id bigint not null, body text not null);`;

async function openDatabase() {
  const migrations = join(scratch, 'migrations');
  mkdirSync(migrations);
  writeFileSync(join(migrations, '0001_clicks.sql'), CLICKS);
  const own = { room: 'bench', schema: 'bench', directory: pathToFileURL(`${migrations}/`) };
  const database = createDatabase(parseOptions(databaseOptions, {}), {
    ...deps,
    metrics: createMetrics(),
    dataDirectory: join(scratch, 'data'),
    migrations: [journalMigrations, own],
    report: () => {},
  });
  await database.start(never);
  return database;
}

/** Records of 64 bytes, waiting in the journal, into three columns of a table. */
async function benchShipping(): Promise<void> {
  const database = await openDatabase();
  for (const batchMax of [100, 1000, 5000]) {
    const journal = await openJournal({});
    const body = Buffer.alloc(64, 'x');
    for (let i = 0; i < SHIPPED_RECORDS; i++) journal.offer(body);
    await journal.append(body);
    const shipper = createShipper(parseOptions(shipperOptions, { batchMax }), {
      ...deps,
      metrics: createMetrics(),
      journal,
      database,
      placement: { system: 'bench', workspaceId: '1', bucket: 0 },
      async apply(records, tx) {
        const times = records.map(({ atMs }) => atMs);
        const links = records.map(({ sequence }) => sequence % 1000);
        const bodies = records.map(({ bytes }) => (bytes as Buffer).toString('latin1'));
        await tx.run(sql`
          insert into bench.clicks (at_ms, link_id, body)
          select at_ms, link_id, body
          from unnest(${times}::bigint[], ${links}::bigint[], ${bodies}::text[]) as t(at_ms, link_id, body)`);
      },
    });
    const cpu = process.cpuUsage();
    const beganMs = systemClock.monotonicMs();
    await shipper.start(never);
    const [own] = journal.sources();
    while (own!.files().some(({ first, end }) => end > first && end < own!.end()))
      await sleep(systemClock, 1);
    await shipper.stop(never);
    const tookMs = systemClock.monotonicMs() - beganMs;
    const { user, system } = process.cpuUsage(cpu);
    const cpuUs = number((user + system) / SHIPPED_RECORDS, 2);
    say(
      `shipping in batches of ${batchMax}: ${number((SHIPPED_RECORDS / tookMs) * 1000)} records/s, ${cpuUs} µs CPU each here`,
    );
    await closeJournal(journal);
  }
  await database.stop(never);
}

try {
  await benchAppends();
  await benchRequests();
  await benchShipping();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
