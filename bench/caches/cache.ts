/**
 * The cache in memory against lru-cache and bentocache: hits, reading through, memory. Each subject has a process of its own;
 * they take turns, and each round starts with another.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Bench } from '../bench.ts';
import { formatRounds, judge, type Round } from '../reports/cache.ts';
import { type Asked, type Measured, SUBJECTS } from './subject.ts';

const MEASURE = join(import.meta.dirname, 'measure.ts');
const ENTRIES = 100_000;
/** Five subjects with two measurements each, in five rounds, are to take no more than three minutes. */
const SECONDS_SHARE = 1 / 8;
const MEASURE_MS_MAX = 60_000;
const run = promisify(execFile);

async function measure(asked: Asked): Promise<Measured> {
  const args = ['--expose-gc', MEASURE, JSON.stringify(asked)];
  const { stdout } = await run(process.execPath, args, { timeout: MEASURE_MS_MAX });
  return JSON.parse(stdout) as Measured;
}

export const cache: Bench = {
  summary:
    'hits in memory against lru-cache and bentocache; bars: 1.2 times (LRU, SIEVE), 0.8 (window-TinyLFU), 10 times',
  async run(options, { say }) {
    const rounds: Round[] = [];
    for (let number = 1; number <= options.rounds; number++) {
      const first = (number - 1) % SUBJECTS.length;
      const round: Round = {};
      for (const subject of [...SUBJECTS.slice(first), ...SUBJECTS.slice(0, first)]) {
        const seconds = options.seconds * SECONDS_SHARE;
        const measured = await measure({ subject, entries: ENTRIES, seconds });
        round[subject] = measured;
        const { getsPerS, bytesPerEntry } = measured;
        say(
          `round ${number}  ${subject.padEnd(26)} ${Math.round(getsPerS)} gets/s  ${Math.round(bytesPerEntry)} B`,
        );
      }
      rounds.push(round);
    }
    return { bars: judge(rounds), data: { entries: ENTRIES, rounds }, text: formatRounds(rounds, ENTRIES) };
  },
};
