/**
 * `GET /{code}` over 10,000 random codes: the real server against bare `node:http` and fastify, both with a `Map`.
 *
 * The subjects take turns on one core, the generator has the other. Each round starts with another subject, and ratios
 * are taken within a round, so that whatever else the machine does then strikes all alike.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { seededRandom } from '#base/random';
import { formatWhole } from '#base/values/numbers';
import type { Bench, BenchOptions, Workplace } from './bench.ts';
import { type Client, createClient, createLinks, followLinks, type Target } from './links.ts';
import { createDataPlace, startLoadstone } from './loadstone.ts';
import { chooseCores, pinned, ROOT } from './machine.ts';
import { readDescendants, readStat } from './process-usage.ts';
import { compare, formatComparison, judge, type Round, type Sample } from './reports/redirects.ts';
import { createLoad, type Load, requireWrk } from './wrk.ts';

const LINKS = 10_000;
const CHECKED = 50;
const WARM_UP_S = 2;
const WARM_UP_S_MAX = 16;
const PEER_START_MS_MAX = 15_000;

interface Subject {
  name: string;
  url: string;
  pid: number;
}

/** The server with its links, which the peers then copy. */
async function startOwn(
  workplace: Workplace,
  client: Client,
  core: number,
): Promise<{ subject: Subject; targets: Target[] }> {
  const place = createDataPlace(workplace);
  const command = pinned(core, [process.execPath, join(ROOT, 'src/cli/main.ts'), 'start']);
  const { child, address } = startLoadstone(workplace, place, command, { hasChannel: true });
  const url = await address;
  workplace.say(`creating ${formatWhole(LINKS)} links`);
  const targets = await createLinks(client, url, place.key, LINKS);
  return { subject: { name: 'loadstone', url, pid: child.pid }, targets };
}

async function startPeer(
  { directory, children }: Workplace,
  name: string,
  targetsFile: string,
  core: number,
): Promise<Subject> {
  const file = join(import.meta.dirname, 'peers', `${name}.ts`);
  const child = children.start(pinned(core, [process.execPath, file, targetsFile]), {
    errorFile: join(directory, `${name}.err`),
    hasChannel: true,
  });
  return { name, url: await child.matches(/address (http:\S+)\n/, PEER_START_MS_MAX), pid: child.pid };
}

function drawTargets(targets: readonly Target[], seed: number): Target[] {
  const random = seededRandom(seed);
  return Array.from(
    { length: CHECKED },
    () => targets[Math.floor(random.fraction() * targets.length)] as Target,
  );
}

/** CPU time of the process and, apart, of its Postgres, if it has one. */
function readCpuMs(pid: number): { own: number; below: number } {
  const below = readDescendants(pid).reduce((sum, each) => sum + each.cpuMs, 0);
  return { own: readStat(pid).cpuMs, below };
}

/** Until every code has been asked for, so that what follows are hits. */
async function warmUp({ name, url }: Subject, load: Load, connections: number): Promise<void> {
  for (let seconds = WARM_UP_S; seconds <= WARM_UP_S_MAX; seconds *= 2) {
    const { requests } = await load({ url, seconds, connections, order: 'sequential', seed: 0 });
    if (requests >= LINKS) return;
  }
  throw new Error(`${name}: not every code was asked for within ${WARM_UP_S_MAX} s`);
}

async function measure(
  subject: Subject,
  load: Load,
  { seconds, connections }: BenchOptions,
  seed: number,
): Promise<Sample> {
  const { url, pid } = subject;
  await warmUp(subject, load, connections);
  const before = readCpuMs(pid);
  const result = await load({ url, seconds, connections, order: 'random', seed });
  const after = readCpuMs(pid);
  const ownMs = after.own - before.own;
  return {
    ...result,
    cpuUsPerRequest: (ownMs * 1000) / result.requests,
    postgresUsPerRequest: ((after.below - before.below) * 1000) / result.requests,
    serverShare: ownMs / ((result.requests / result.requestsPerS) * 1000),
  };
}

async function runRounds(
  subjects: readonly Subject[],
  targets: readonly Target[],
  options: BenchOptions,
  { client, load, say }: { client: Client; load: Load; say: Workplace['say'] },
): Promise<Round[]> {
  const rounds: Round[] = [];
  for (let number = 1; number <= options.rounds; number++) {
    const first = (number - 1) % subjects.length;
    const round: Round = {};
    for (const subject of [...subjects.slice(first), ...subjects.slice(0, first)]) {
      const checked = drawTargets(targets, number);
      await followLinks(client, subject.url, checked);
      const sample = await measure(subject, load, options, number);
      await followLinks(client, subject.url, checked);
      round[subject.name] = sample;
      const { requestsPerS, cpuUsPerRequest, generatorShare } = sample;
      say(
        `round ${number}  ${subject.name.padEnd(10)} ${Math.round(requestsPerS)} requests/s, ${cpuUsPerRequest.toFixed(2)} µs, generator ${(generatorShare * 100).toFixed(0)} %`,
      );
    }
    rounds.push(round);
  }
  return rounds;
}

export const redirects: Bench = {
  summary:
    'GET /{code} over 10,000 random codes against bare node:http and fastify; bar: 0.90 of bare node:http',
  async run(options, workplace) {
    const { directory, say } = workplace;
    const cores = chooseCores();
    requireWrk(say);
    const client = createClient();
    try {
      const own = await startOwn(workplace, client, cores.server);
      const targetsFile = join(directory, 'targets.json');
      writeFileSync(targetsFile, JSON.stringify(own.targets));
      const subjects = [own.subject];
      for (const name of ['bare', 'fastify']) {
        subjects.push(await startPeer(workplace, name, targetsFile, cores.server));
      }
      const codes = own.targets.map(([code]) => code);
      const load = createLoad(workplace, cores.load, codes);
      const rounds = await runRounds(subjects, own.targets, options, { client, load, say });
      const comparison = compare(rounds);
      return {
        bars: judge(comparison),
        data: { links: LINKS, cores, comparison, rounds },
        text: formatComparison(comparison, options),
      };
    } finally {
      client.close();
    }
  },
};
