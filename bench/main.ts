/**
 * `npm run bench -- NAME [options]`. Ends with exit status 0 when every bar was met, 1 when one was not, 2 when it was
 * called wrongly, 3 when it could not measure.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Bench, BenchOptions } from './bench.ts';
import { cache } from './caches/cache.ts';
import { hitratio } from './caches/hitratio.ts';
import { createChildren } from './children.ts';
import { events } from './events.ts';
import { idle } from './idle.ts';
import { knee } from './knee.ts';
import { readProvenance } from './machine.ts';
import { mutations } from './mutations.ts';
import { processes } from './processes.ts';
import { queue } from './queue.ts';
import { redirects } from './redirects.ts';
import { restartBench } from './restart.ts';
import { formatRun, keepRun } from './results.ts';
import { ring } from './ring.ts';

const BENCHES: Record<string, Bench> = {
  redirects,
  restart: restartBench,
  queue,
  mutations,
  events,
  knee,
  processes,
  idle,
  ring,
  cache,
  hitratio,
};

const MINUTES_MAX = 30;

const USAGE = `npm run bench -- NAME [options]

${Object.entries(BENCHES)
  .map(([name, { summary }]) => `  ${name.padEnd(12)} ${summary}`)
  .join('\n')}

  --rounds N        default 5
  --seconds N       of load for each subject in each round; default 8, of idle 30, of ring 1
  --connections N   that the generator keeps open; default 64, of mutations and events 32
  --against DIR     another checkout, with its node_modules, measured beside this one; of idle
  --quick           2 short rounds, nothing kept: to try the bench itself
  --results DIR     where results are kept; default bench/results
`;

interface Arguments extends BenchOptions {
  name: string;
  bench: Bench;
  /** Undefined when nothing is to be kept. */
  resultsDirectory: string | undefined;
}

function parseCount(name: string, text: string | undefined, byDefault: number): number {
  if (text === undefined) return byDefault;
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new Error(`--${name} ${text}: allowed is 1 to 9999`);
  return Number(text);
}

/** @throws Error with one line about what is wrong */
function parseArguments(args: readonly string[]): Arguments {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      connections: { type: 'string' },
      against: { type: 'string' },
      quick: { type: 'boolean', default: false },
      results: { type: 'string' },
    },
  });
  const [name = '', ...rest] = positionals;
  const bench = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
  if (!bench || (rest.length > 0 && !bench.takesFiles))
    throw new Error(name === '' ? 'which one?' : `no bench "${positionals.join(' ')}"`);
  const isQuick = values.quick;
  return {
    name,
    bench,
    rounds: parseCount('rounds', values.rounds, isQuick ? 2 : 5),
    seconds: parseCount('seconds', values.seconds, isQuick ? 2 : (bench.seconds ?? 8)),
    connections: parseCount('connections', values.connections, bench.connections ?? 64),
    isQuick,
    ...(rest.length > 0 ? { files: rest.map((file) => resolve(process.env.INIT_CWD ?? '.', file)) } : {}),
    ...(values.against === undefined ? {} : { against: resolve(values.against) }),
    resultsDirectory: values.results ?? (isQuick ? undefined : join(import.meta.dirname, 'results')),
  };
}

/** Rejects when the run is interrupted or takes too long. */
function createLimit(): { limit: Promise<never>; lift: () => void } {
  const { promise, reject } = Promise.withResolvers<never>();
  const late = setTimeout(
    () => reject(new Error(`not done after ${MINUTES_MAX} minutes`)),
    MINUTES_MAX * 60_000,
  );
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const onSignal = (signal: NodeJS.Signals) => reject(new Error(signal));
  for (const signal of signals) process.on(signal, onSignal);
  return {
    limit: promise,
    lift() {
      clearTimeout(late);
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}

async function run({ name, bench, resultsDirectory, ...options }: Arguments): Promise<number> {
  const provenance = readProvenance();
  const directory = mkdtempSync(join(tmpdir(), 'loadstone-bench-'));
  const children = createChildren();
  const { limit, lift } = createLimit();
  const say = (line: string) => console.log(line);
  try {
    const outcome = await Promise.race([bench.run(options, { directory, children, say }), limit]);
    // Where the other checkout is, and where files lie, says nothing to anybody else.
    const { against: _, files: __, ...kept } = options;
    const finished = { bench: name, options: kept, provenance, outcome };
    say(`\n${formatRun(finished)}`);
    if (resultsDirectory !== undefined) say(`kept in ${keepRun(finished, resultsDirectory)}`);
    return outcome.bars.every(({ isMet }) => isMet) ? 0 : 1;
  } finally {
    await children.stopAll();
    lift();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function main(args: readonly string[]): Promise<number> {
  let parsed: Arguments;
  try {
    parsed = parseArguments(args);
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  try {
    return await run(parsed);
  } catch (error) {
    console.error(`bench ${parsed.name}: ${(error as Error).message}`);
    return 3;
  }
}

process.exitCode = await main(process.argv.slice(2));
