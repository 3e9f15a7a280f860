/**
 * `POST /v1/links` under load, and what it costs: with and without key and job, against the same writes by hand, and
 * against a bare insert. All use one Postgres, with `synchronous_commit=on`. The subjects take turns; each round starts
 * with another.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench, BenchOptions, Workplace } from './bench.ts';
import { type Client, createClient } from './links.ts';
import { createDataPlace, type DataPlace, startLoadstone } from './loadstone.ts';
import { chooseCores, pinned, ROOT } from './machine.ts';
import { type Creation, createUnderLoad } from './mutations-load.ts';
import { countRoundTrips, type RoundTrips } from './mutations-round-trips.ts';
import {
  lookIntoPostgres,
  type Postgres,
  type PostgresAddress,
  pinProcesses,
  type RequestSessions,
  readPostgresAddress,
} from './postgres-usage.ts';
import { readStat } from './process-usage.ts';
import { formatResults, judge, type Round, type Sample } from './reports/mutations.ts';
import { type LoadResult, requireWrk } from './wrk.ts';

const WARM_UP_S = 1;
/** Before the first round, of each process: until its code is compiled. */
const FIRST_WARM_UP_S = 5;
const PEER_START_MS_MAX = 15_000;
const DRAIN_POLL_MS = 20;
const DRAIN_POLLS_MAX = 1500;

/**
 * Who has which core: `apart`: the server one, Postgres and the generator the other; `together`: server and Postgres one,
 * the generator the other; `free`: nobody is pinned.
 */
type Placement = 'apart' | 'together' | 'free';

interface Process {
  url: string;
  pid: number;
}

interface Subject {
  name: string;
  label: string;
  process: Process;
  /** Of Postgres. */
  sessions: RequestSessions;
  placement: Placement;
  /** Undefined: no HTTP, the process calls Postgres in a loop of its own. */
  creation: Creation | undefined;
}

interface Stage {
  workplace: Workplace;
  client: Client;
  postgres: Postgres;
  key: string;
  cores: { server: number; load: number };
}

async function startOwn(workplace: Workplace, place: DataPlace): Promise<Process> {
  const systems = ['--systems', `links,${join(import.meta.dirname, 'systems', 'counter')}`];
  const command = [process.execPath, join(ROOT, 'src/cli/main.ts'), 'start', ...systems];
  const { child, address } = startLoadstone(workplace, place, command, { hasChannel: true });
  return { url: await address, pid: child.pid };
}

/** The peer's tables have the columns, indexes and constraints of ours. */
async function startPeer(
  { directory, children }: Workplace,
  postgres: Postgres,
  { socketDirectory, port }: PostgresAddress,
  key: string,
): Promise<Process> {
  await postgres.client.query(`
    create schema peer;
    create table peer.links (like links.links including all);
    create table peer.codes (like links.codes including all);
    create table peer.jobs (like core.jobs including all);
    create table peer.outbox (like core.outbox including all);
    create table peer.idempotency_records (like core.idempotency_records including all);
    create table peer.bare (id bigint primary key, code text not null, url text not null, expires_at timestamptz)`);
  const file = join(import.meta.dirname, 'peers', 'writes.ts');
  const child = children.start([process.execPath, file, socketDirectory, String(port), key], {
    errorFile: join(directory, 'writes.err'),
    hasChannel: true,
  });
  return { url: await child.matches(/address (http:\S+)\n/, PEER_START_MS_MAX), pid: child.pid };
}

function listSubjects(own: Process, peer: Process): Subject[] {
  const post = (hasKey: boolean, hasTtl: boolean): Creation => ({
    kind: 'link',
    path: '/v1/links',
    hasKey,
    hasTtl,
  });
  const bare: Creation = { kind: 'link', path: '/bare', hasKey: false, hasTtl: true };
  const entries = (counters: number): Creation => ({ kind: 'entry', hasKey: true, counters });
  const subject = (
    name: string,
    label: string,
    on: Process,
    creation: Creation | undefined,
    placement: Placement = 'apart',
  ): Subject => ({
    ...{ name, label, process: on, creation, placement },
    sessions: on === own ? 'loadstone loadstone_app' : 'peer',
  });
  const eight = 'by hand, eight statements';
  return [
    subject('full', 'loadstone: key, event, job', own, post(true, true)),
    subject('noKey', 'loadstone: event, job', own, post(false, true)),
    subject('noTtl', 'loadstone: key, event', own, post(true, false)),
    subject('eight', eight, peer, post(true, true)),
    subject('bare', 'fastify and one insert', peer, bare),
    subject('hot', 'loadstone: lock and count, one aggregate', own, entries(1)),
    subject('hundred', 'loadstone: lock and count, 100 aggregates', own, entries(100)),
    subject('pool', 'one insert by the pool, no HTTP', peer, undefined),
    subject('fullTogether', 'loadstone, Postgres on its core', own, post(true, true), 'together'),
    subject('eightTogether', `${eight}, Postgres on its core`, peer, post(true, true), 'together'),
    subject('fullFree', 'loadstone, not pinned', own, post(true, true), 'free'),
    subject('eightFree', `${eight}, not pinned`, peer, post(true, true), 'free'),
  ];
}

async function place({ process: { pid }, placement }: Subject, { postgres, cores }: Stage): Promise<void> {
  const { server, load } = cores;
  const both = [server, load];
  pinProcesses([pid], placement === 'free' ? both : [server]);
  const ofPostgres = { apart: [load], together: [server], free: both }[placement];
  pinProcesses(await postgres.pids(), ofPostgres);
}

/** As wrk would, but in the peer's own process. */
async function loop({ url, pid }: Process, client: Client, seconds: number, callers: number) {
  const before = readStat(pid).cpuMs;
  const answer = await client.call(`${url}/loop?seconds=${seconds}&callers=${callers}`);
  if (answer.status !== 200) throw new Error(`the loop: ${answer.status} ${answer.body}`);
  const result = JSON.parse(answer.body) as {
    requests: number;
    elapsedMs: number;
    p50Ms: number;
    p99Ms: number;
  };
  return {
    requests: result.requests,
    requestsPerS: (result.requests / result.elapsedMs) * 1000,
    generatorShare: (readStat(pid).cpuMs - before) / result.elapsedMs,
    latencyP50Ms: result.p50Ms,
    latencyP99Ms: result.p99Ms,
  };
}

async function drive(
  { process: on, creation, placement }: Subject,
  { workplace, client, key, cores }: Stage,
  load: { seconds: number; connections: number; prefix: string },
): Promise<LoadResult> {
  const { seconds, connections, prefix } = load;
  if (!creation) return loop(on, client, seconds, connections);
  const pin = (command: readonly string[]) =>
    placement === 'free' ? [...command] : pinned(cores.load, command);
  return createUnderLoad(workplace, {
    creation,
    ...{ url: on.url, apiKey: key, prefix, seconds, connections, pin },
  });
}

/** Until no event waits. @returns how many did at first */
async function drain(postgres: Postgres): Promise<number> {
  const count = async () => {
    const { rows } = await postgres.client.query<{ n: number }>(
      'select count(*)::integer as n from core.outbox',
    );
    return rows[0]?.n ?? 0;
  };
  const first = await count();
  for (let polls = 0, left = first; left > 0; polls++) {
    if (polls > DRAIN_POLLS_MAX) throw new Error(`${left} events were not moved to the log`);
    await delay(DRAIN_POLL_MS);
    left = await count();
  }
  return first;
}

async function measure(
  subject: Subject,
  stage: Stage,
  { seconds, connections, prefix }: { seconds: number; connections: number; prefix: string },
): Promise<Sample> {
  const { postgres } = stage;
  const { pid } = subject.process;
  await place(subject, stage);
  await postgres.settle();
  await drive(subject, stage, { seconds: WARM_UP_S, connections, prefix: `${prefix}-warm` });
  await drain(postgres);
  const [ownBefore, before] = [readStat(pid).cpuMs, await postgres.usage()];
  const stopSampling = postgres.sample(subject.sessions);
  const result = await drive(subject, stage, { seconds, connections, prefix });
  const [ownAtEnd, activity] = [readStat(pid).cpuMs, await stopSampling()];
  const atEnd = await postgres.usage();
  const waiting = await drain(postgres);
  const [ownAfter, after] = [readStat(pid).cpuMs, await postgres.usage()];
  const each = (milliseconds: number) => (milliseconds * 1000) / result.requests;
  const elapsedMs = (result.requests / result.requestsPerS) * 1000;
  const cpuOf = ({ appMs, systemMs, otherMs }: typeof after) => appMs + systemMs + otherMs;
  return {
    ...result,
    serverUs: each(ownAfter - ownBefore),
    appUs: each(after.appMs - before.appMs),
    systemUs: each(after.systemMs - before.systemMs),
    otherUs: each(after.otherMs - before.otherMs),
    walBytes: (after.walBytes - before.walBytes) / result.requests,
    walPages: (after.walPages - before.walPages) / result.requests,
    walSyncs: (after.walSyncs - before.walSyncs) / result.requests,
    serverShare: (ownAtEnd - ownBefore) / elapsedMs,
    postgresShare: (cpuOf(atEnd) - cpuOf(before)) / elapsedMs,
    waiting,
    activity,
  };
}

async function warmUp(
  subjects: readonly Subject[],
  stage: Stage,
  { connections }: BenchOptions,
): Promise<void> {
  stage.workplace.say('warming up');
  for (const name of ['full', 'eight']) {
    const subject = subjects.find((each) => each.name === name);
    if (!subject) throw new Error(`no subject ${name}`);
    await place(subject, stage);
    await drive(subject, stage, { seconds: FIRST_WARM_UP_S, connections, prefix: 'first' });
  }
  await drain(stage.postgres);
}

async function runRounds(
  subjects: readonly Subject[],
  stage: Stage,
  options: BenchOptions,
  seconds: number,
): Promise<Round[]> {
  const rounds: Round[] = [];
  for (let number = 1; number <= options.rounds; number++) {
    const first = (number - 1) % subjects.length;
    const round: Round = {};
    for (const subject of [...subjects.slice(first), ...subjects.slice(0, first)]) {
      const prefix = `${number}-${subject.name}`;
      const sample = await measure(subject, stage, { seconds, connections: options.connections, prefix });
      round[subject.name] = sample;
      stage.workplace.say(
        `round ${number} ${subject.name}: ${sample.requestsPerS.toFixed(0)} a second, p50 ${sample.latencyP50Ms.toFixed(1)} ms, server ${sample.serverUs.toFixed(0)} µs, Postgres ${(sample.appUs + sample.systemUs + sample.otherUs).toFixed(0)} µs`,
      );
    }
    rounds.push(round);
  }
  return rounds;
}

export const mutations: Bench = {
  summary: 'POST /v1/links with key, event and job against the same writes by hand; bar: 3 round trips',
  connections: 64,
  async run(options, workplace) {
    const cores = chooseCores();
    requireWrk(workplace.say);
    const dataPlace = createDataPlace(workplace);
    const { key } = dataPlace;
    const client = createClient();
    const own = await startOwn(workplace, dataPlace);
    const address = readPostgresAddress(dataPlace.directory);
    const postgres = await lookIntoPostgres(address);
    try {
      workplace.say('counting round trips');
      const roundTrips: RoundTrips = await countRoundTrips(workplace, client, { postgres, address, key });
      const peer = await startPeer(workplace, postgres, address, key);
      const subjects = listSubjects(own, peer);
      const stage: Stage = { workplace, client, postgres, key, cores };
      // There are many subjects.
      const seconds = Math.ceil(options.seconds / 2);
      await warmUp(subjects, stage, options);
      const rounds = await runRounds(subjects, stage, options, seconds);
      const results = { rounds, subjects: subjects.map(({ name, label }) => ({ name, label })), roundTrips };
      return {
        bars: judge(results),
        data: { cores, ...results },
        text: formatResults(results, options, seconds),
      };
    } finally {
      client.close();
      await postgres.close();
    }
  },
};
