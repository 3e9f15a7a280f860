/**
 * Redirects and creations with one process and with two, on two cores. Both installations run at once, idle but for the one
 * whose turn it is; each round starts with the other.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench, BenchOptions, Workplace } from './bench.ts';
import { createClient, createLinks, followLinks } from './links.ts';
import { createDataPlace, startLoadstone } from './loadstone.ts';
import { chooseCores, pinned, ROOT } from './machine.ts';
import { createUnderLoad } from './mutations-load.ts';
import { readCommand, readDescendants, readStat } from './process-usage.ts';
import { formatProcesses, type Round, type Sample } from './reports/processes.ts';
import { createLoad, type Load, type LoadResult, requireWrk } from './wrk.ts';

const COUNTS = [1, 2] as const;
const LINKS = 10_000;
const LINKS_QUICK = 2000;
const CHECKED = 50;
const WARM_UP_S = 2;

interface Installation {
  processes: (typeof COUNTS)[number];
  url: string;
  pid: number;
  key: string;
  /** Of redirects. */
  follow: Load;
  workplace: Workplace;
}

interface Cores {
  server: number;
  load: number;
}

async function startInstallation(
  processes: (typeof COUNTS)[number],
  whole: Workplace,
  cores: Cores,
  links: number,
): Promise<Installation> {
  const directory = join(whole.directory, `processes-${processes}`);
  mkdirSync(directory);
  const workplace = { ...whole, directory };
  const place = createDataPlace(workplace);
  const flags = processes === 1 ? [] : ['--processes', String(processes)];
  const command = [process.execPath, join(ROOT, 'src/cli/main.ts'), 'start', ...flags];
  const { child, address } = startLoadstone(workplace, place, command, { hasChannel: true });
  const url = await address;
  const client = createClient();
  try {
    const targets = await createLinks(client, url, place.key, links);
    await followLinks(client, url, targets.slice(0, CHECKED));
    const follow = createLoad(
      workplace,
      cores.load,
      targets.map(([code]) => code),
    );
    return { processes, url, pid: child.pid, key: place.key, follow, workplace };
  } finally {
    client.close();
  }
}

/** Of the server's processes, and of its Postgres. */
function readCpuMs(pid: number): { serverMs: number; postgresMs: number } {
  const cpu = { serverMs: readStat(pid).cpuMs, postgresMs: 0 };
  for (const each of readDescendants(pid)) {
    const isPostgres = readCommand(each.pid).includes('postgres');
    cpu[isPostgres ? 'postgresMs' : 'serverMs'] += each.cpuMs + (isPostgres ? each.endedChildrenCpuMs : 0);
  }
  return cpu;
}

async function measure(pid: number, drive: () => Promise<LoadResult>): Promise<Sample> {
  const before = readCpuMs(pid);
  const result = await drive();
  const after = readCpuMs(pid);
  const elapsedMs = (result.requests / result.requestsPerS) * 1000;
  return {
    ...result,
    serverUs: ((after.serverMs - before.serverMs) * 1000) / result.requests,
    postgresUs: ((after.postgresMs - before.postgresMs) * 1000) / result.requests,
    coresUsed: (after.serverMs + after.postgresMs - before.serverMs - before.postgresMs) / elapsedMs,
  };
}

async function measureInstallation(
  { url, pid, key, follow, workplace }: Installation,
  { seconds, connections }: BenchOptions,
  { cores, seed }: { cores: Cores; seed: number },
): Promise<{ redirect: Sample; create: Sample }> {
  const redirects = (forS: number, order: 'sequential' | 'random') =>
    follow({ url, connections, order, seed, seconds: forS });
  const creations = (forS: number, prefix: string) =>
    createUnderLoad(workplace, {
      ...{ url, prefix, connections, seconds: forS, apiKey: key },
      creation: { kind: 'link', path: '/v1/links', hasKey: true, hasTtl: false },
      pin: (command) => pinned(cores.load, command),
    });
  await redirects(WARM_UP_S, 'sequential');
  const redirect = await measure(pid, () => redirects(seconds, 'random'));
  await creations(WARM_UP_S, `warm-${seed}`);
  const create = await measure(pid, () => creations(seconds, `round-${seed}`));
  return { redirect, create };
}

async function runRounds(
  installations: readonly Installation[],
  options: BenchOptions,
  { cores, say }: { cores: Cores; say: Workplace['say'] },
): Promise<Round[]> {
  const rounds: Round[] = [];
  for (let number = 1; number <= options.rounds; number++) {
    const order = number % 2 === 1 ? installations : installations.toReversed();
    const round: Partial<Round> = {};
    for (const installation of order) {
      const samples = await measureInstallation(installation, options, { cores, seed: number });
      round[installation.processes] = samples;
      const { redirect, create } = samples;
      say(
        `round ${number}, ${installation.processes} of them: ${redirect.requestsPerS.toFixed(0)} redirects/s, ${create.requestsPerS.toFixed(0)} creations/s`,
      );
    }
    rounds.push(round as Round);
  }
  return rounds;
}

export const processes: Bench = {
  summary: 'redirects and creations with 1 and with 2 processes on two cores; without a bar',
  async run(options, workplace) {
    const { say } = workplace;
    const cores = chooseCores();
    requireWrk(say);
    const installations: Installation[] = [];
    for (const count of COUNTS) {
      say(`starting ${count}, and making links`);
      const links = options.isQuick ? LINKS_QUICK : LINKS;
      installations.push(await startInstallation(count, workplace, cores, links));
    }
    const rounds = await runRounds(installations, options, { cores, say });
    return {
      bars: [],
      data: { cores, rounds },
      text: formatProcesses(rounds, options),
    };
  },
};
