/**
 * What an installation costs while nothing is asked of it, and how soon it is awake: one and four processes, of this checkout
 * and, with `--against`, of another in the same run.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench, Workplace } from './bench.ts';
import { measureIdle } from './events-idle.ts';
import { readMemoryOf, readUsage } from './idle-usage.ts';
import { createClient } from './links.ts';
import { createDataPlace, type DataPlace, startLoadstone } from './loadstone.ts';
import { ROOT } from './machine.ts';
import { lookIntoPostgres, type Postgres, readPostgresAddress } from './postgres-usage.ts';
import {
  type Checkout,
  formatIdle,
  judge,
  type Measured,
  type Sample,
  type Subject,
  sampleOf,
} from './reports/idle.ts';

const PROCESSES = [1, 4] as const;
const SETTLE_S = 20;
const SETTLE_S_QUICK = 5;
const TURNS = 10;
const TURNS_QUICK = 1;
const CREATIONS = 10;
const PAUSE_MS = 100;

interface Installation extends Subject {
  url: string;
  key: string;
  pid: number;
  postgres: Postgres;
}

async function start(
  { checkout, processes }: Subject,
  root: string,
  place: DataPlace,
  workplace: Workplace,
): Promise<Installation & { stop(): Promise<void> }> {
  const flags = processes === 1 ? [] : ['--processes', String(processes)];
  const command = [
    process.execPath,
    '--max-semi-space-size=16',
    join(root, 'src/cli/main.ts'),
    'start',
    ...flags,
  ];
  const given = { hasChannel: true, checkout: root };
  const { child, address } = startLoadstone(workplace, place, command, given);
  const url = await address;
  const postgres = await lookIntoPostgres(readPostgresAddress(place.directory));
  return {
    ...{ checkout, processes, url, key: place.key, pid: child.pid, postgres },
    async stop() {
      await postgres.close();
      await child.stop();
    },
  };
}

/** Started a second time, as most starts are; Postgres reads only then that it is to stamp commits. */
async function startAgain(subject: Subject, root: string, whole: Workplace): Promise<Installation> {
  const directory = join(whole.directory, `${subject.checkout}-${subject.processes}`);
  mkdirSync(directory);
  const workplace = { ...whole, directory };
  const place = createDataPlace(workplace);
  const first = await start(subject, root, place, workplace);
  await first.postgres.client.query('alter system set track_commit_timestamp = on');
  await first.stop();
  return start(subject, root, place, workplace);
}

async function measureAll(installations: readonly Installation[], seconds: number): Promise<Sample[]> {
  const readAll = () => Promise.all(installations.map(({ pid, postgres }) => readUsage(pid, postgres)));
  const before = await readAll();
  await delay(seconds * 1000);
  const after = await readAll();
  return installations.map(({ pid }, at) => {
    const [from, to] = [before[at], after[at]];
    if (!from || !to) throw new Error('each installation was read');
    return sampleOf(from, to, readMemoryOf(pid));
  });
}

/** Each over a connection of its own, so that of several processes now one takes it and now another. */
async function measureDelays(installation: Installation): Promise<number[]> {
  const visibleMs: number[] = [];
  for (let number = 0; number < CREATIONS; number++) {
    const client = createClient();
    try {
      const [seen] = await measureIdle({ ...installation, client }, 1, number);
      if (seen) visibleMs.push(seen.visibleMs);
    } finally {
      client.close();
    }
    await delay(PAUSE_MS);
  }
  return visibleMs;
}

/** In turns, so that what else the machine does strikes all alike. */
async function measureDelaysOfAll(
  installations: readonly Installation[],
  turns: number,
): Promise<number[][]> {
  const visibleMs: number[][] = installations.map(() => []);
  for (let turn = 0; turn < turns; turn++) {
    for (const [at, installation] of installations.entries())
      visibleMs[at]?.push(...(await measureDelays(installation)));
  }
  return visibleMs;
}

function describeCheckout(root: string): string {
  const { status, stdout } = spawnSync('git', ['rev-parse', '--short=10', 'HEAD'], {
    cwd: root,
    encoding: 'utf8',
  });
  return status === 0 ? `commit ${stdout.trim()}` : 'not a commit';
}

export const idle: Bench = {
  summary:
    'CPU, transactions, wake-ups, log and memory of 1 and of 4 processes that nothing is asked of; bars: 1 %, 200 MiB',
  seconds: 30,
  async run({ rounds, seconds, isQuick, against }, workplace) {
    if (process.platform !== 'linux') throw new Error('this bench reads /proc: it needs Linux');
    const roots = new Map<Checkout, string>([['here', ROOT]]);
    if (against !== undefined) roots.set('there', against);
    const installations: Installation[] = [];
    for (const [checkout, root] of roots) {
      for (const processes of PROCESSES) {
        workplace.say(`starting ${processes} of ${root === ROOT ? 'this checkout' : root}`);
        installations.push(await startAgain({ checkout, processes }, root, workplace));
      }
    }
    await delay((isQuick ? SETTLE_S_QUICK : SETTLE_S) * 1000);
    const samples: Sample[][] = [];
    for (let number = 1; number <= rounds; number++) {
      const round = await measureAll(installations, seconds);
      samples.push(round);
      const all = round.map((each) => (each.serverPercent + each.postgresPercent).toFixed(2));
      workplace.say(`round ${number}: ${all.join(', ')} % of a core`);
    }
    const visibleMs = await measureDelaysOfAll(installations, isQuick ? TURNS_QUICK : TURNS);
    const measured = installations.map(
      ({ checkout, processes }, at): Measured => ({
        ...{ checkout, processes, visibleMs: visibleMs[at] ?? [] },
        rounds: samples.map((round) => round[at]).filter((each) => each !== undefined),
      }),
    );
    for (const { postgres } of installations) await postgres.close();
    const other = against === undefined ? undefined : describeCheckout(against);
    return {
      bars: judge(measured),
      data: { other, measured },
      text: formatIdle(measured, { rounds, seconds, other }),
    };
  },
};
