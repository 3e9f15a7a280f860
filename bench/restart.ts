/**
 * 100,000 links, then `npm start` again: how soon it is ready, and how much memory the server holds, also after every
 * link has been followed.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { formatWhole } from '#base/values/numbers';
import type { Bar, Bench, Workplace } from './bench.ts';
import type { Child } from './children.ts';
import { type Client, createClient, createLinks, followLinks, type Target } from './links.ts';
import { createDataPlace, type DataPlace, startLoadstone } from './loadstone.ts';
import { readCommand, readDescendants, readMemory, readProportionalMib } from './process-usage.ts';
import { formatSummary, type Summary, summarize } from './statistics.ts';

const LINKS = 100_000;
const LINKS_QUICK = 5_000;
const READY_MS_MAX = 3_000;
const RESIDENT_MIB_MAX = 200;

const COMMAND = ['npm', 'start', '--'];
const ENTRY = 'src/cli/main.ts';
const POLL_MS = 5;
const POLLS_MAX = 12_000;

interface Memory {
  serverMib: number;
  /** The highest since it started. */
  serverPeakMib: number;
  /** All its processes together, memory that they share counted once. */
  postgresMib: number;
}

interface Restart {
  readyMs: number;
  ready: Memory;
  /** After every link has been followed; only of the last restart. */
  followed?: Memory;
}

/** npm starts the server as a grandchild or so: the innermost process that runs the command line. */
function findServer(npm: Child): number {
  const server = readDescendants(npm.pid).findLast(({ pid }) => readCommand(pid).includes(ENTRY));
  if (!server) throw new Error(`no process below ${npm.pid} runs ${ENTRY}`);
  return server.pid;
}

function readMemoryOf(server: number): Memory {
  const { residentMib, peakMib } = readMemory(server);
  const postgresMib = readDescendants(server).reduce((sum, { pid }) => sum + readProportionalMib(pid), 0);
  return { serverMib: residentMib, serverPeakMib: peakMib, postgresMib };
}

async function becomesReady(client: Client, url: string): Promise<void> {
  for (let polls = 0; polls < POLLS_MAX; polls++) {
    const { status } = await client.call(`${url}/readyz`);
    if (status === 200) return;
    await delay(POLL_MS);
  }
  throw new Error('listening, but not ready');
}

async function restart(
  workplace: Workplace,
  place: DataPlace,
  targets: readonly Target[],
  isLast: boolean,
): Promise<Restart> {
  const client = createClient();
  try {
    const startedMs = performance.now();
    const { child, address } = startLoadstone(workplace, place, COMMAND);
    const url = await address;
    await becomesReady(client, url);
    const readyMs = performance.now() - startedMs;
    const server = findServer(child);
    const ready = readMemoryOf(server);
    workplace.say(`ready after ${readyMs.toFixed(0)} ms with ${ready.serverMib.toFixed(0)} MiB`);
    if (!isLast) {
      await child.stop();
      return { readyMs, ready };
    }
    workplace.say('following every link');
    await followLinks(client, url, targets);
    const followed = readMemoryOf(server);
    await child.stop();
    return { readyMs, ready, followed };
  } finally {
    client.close();
  }
}

async function fill(workplace: Workplace, place: DataPlace, count: number) {
  const client = createClient();
  try {
    const { child, address } = startLoadstone(workplace, place, COMMAND);
    const url = await address;
    workplace.say(`creating ${formatWhole(count)} links by the API`);
    const startedMs = performance.now();
    const targets = await createLinks(client, url, place.key, count);
    const seconds = (performance.now() - startedMs) / 1000;
    workplace.say(`created in ${seconds.toFixed(0)} s`);
    await child.stop();
    return { targets, seconds };
  } finally {
    client.close();
  }
}

interface Summaries {
  readyMs: Summary;
  serverMib: Summary;
  postgresMib: Summary;
  followed: Memory;
}

function summarizeRestarts(restarts: readonly Restart[]): Summaries {
  const followed = restarts.at(-1)?.followed;
  if (!followed) throw new Error('the last restart did not follow the links');
  return {
    readyMs: summarize(restarts.map(({ readyMs }) => readyMs)),
    serverMib: summarize(restarts.map(({ ready }) => ready.serverMib)),
    postgresMib: summarize(restarts.map(({ ready }) => ready.postgresMib)),
    followed,
  };
}

function judge({ readyMs, serverMib, followed }: Summaries): Bar[] {
  const memoryBar = (when: string, mib: number): Bar => ({
    claim: `less than ${RESIDENT_MIB_MAX} MiB resident ${when}`,
    measured: `${mib.toFixed(0)} MiB`,
    isMet: mib < RESIDENT_MIB_MAX,
  });
  return [
    {
      claim: `ready less than ${READY_MS_MAX / 1000} s after npm start, every time`,
      measured: `${(readyMs.max / 1000).toFixed(2)} s at most`,
      isMet: readyMs.max < READY_MS_MAX,
    },
    memoryBar('when ready', serverMib.max),
    memoryBar('after following every link', followed.serverMib),
  ];
}

function format(
  { readyMs, serverMib, postgresMib, followed }: Summaries,
  filled: { links: number; seconds: number; restarts: number },
): string {
  const { links, seconds, restarts } = filled;
  return `${formatWhole(links)} links, created by the API in ${seconds.toFixed(0)} s, then ${restarts} times: stop, \`npm start\`, wait for \`/readyz\`. After the last, every link was followed once and led where it should.

| | median (least–most) |
| --- | --- |
| from the command to ready, ms | ${formatSummary(readyMs, 0)} |
| server when ready, MiB resident | ${formatSummary(serverMib, 0)} |
| Postgres when ready, MiB | ${formatSummary(postgresMib, 0)} |
| server after ${formatWhole(links)} redirects, MiB resident | ${followed.serverMib.toFixed(0)} (at its highest ${followed.serverPeakMib.toFixed(0)}) |
| Postgres after them, MiB | ${followed.postgresMib.toFixed(0)} |

The server is the one Node process. Postgres is all its processes together, memory that they share counted once.`;
}

export const restartBench: Bench = {
  summary: '100,000 links, then start again; bars: ready in less than 3 s, less than 200 MiB resident',
  async run({ rounds, isQuick }, workplace) {
    if (process.platform !== 'linux') throw new Error('this bench reads /proc: it needs Linux');
    const place = createDataPlace(workplace);
    const links = isQuick ? LINKS_QUICK : LINKS;
    const { targets, seconds } = await fill(workplace, place, links);
    const restarts: Restart[] = [];
    for (let number = 1; number <= rounds; number++) {
      restarts.push(await restart(workplace, place, targets, number === rounds));
    }
    const summaries = summarizeRestarts(restarts);
    return {
      bars: judge(summaries),
      data: { links, createSeconds: seconds, restarts },
      text: format(summaries, { links, seconds, restarts: rounds }),
    };
  },
};
