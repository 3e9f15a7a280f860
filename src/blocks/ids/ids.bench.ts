/**
 * What an id and a code cost, on one core. Run it with Node: `node src/blocks/ids/ids.bench.ts`.
 */
import { type Clock, systemClock } from '#base/clock';
import { silentLog } from '#base/log';
import { systemRandom } from '#base/random';
import { codesOfLength, createCodes } from './codes.ts';
import { createIds } from './ids.ts';
import { createMemoryWorkerLeases } from './stores/memory.ts';

const ROUNDS = 5;

function measure(what: string, count: number, work: () => void): void {
  const tries = Array.from({ length: ROUNDS }, () => {
    const startMs = systemClock.monotonicMs();
    for (let i = 0; i < count; i++) work();
    return systemClock.monotonicMs() - startMs;
  });
  const medianMs = tries.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)]!;
  const perSecond = Math.round((count / medianMs) * 1000);
  process.stdout.write(
    `${what}: ${perSecond} per second, ${((medianMs / count) * 1000).toFixed(2)} µs each\n`,
  );
}

/** Real time would stop at 32,000 a second: each millisecond here lasts 32 ids. */
let issued = 0;
const fastClock: Clock = { ...systemClock, nowMs: () => 1_800_000_000_000 + Math.floor(issued++ / 32) };
const ids = createIds(
  { leaseMs: 600_000 },
  { clock: fastClock, random: systemRandom, log: silentLog, store: createMemoryWorkerLeases() },
);
await ids.start(AbortSignal.timeout(1000));
measure('ids', 1_000_000, () => ids.next(7));
await ids.stop(AbortSignal.timeout(1000));

const codes = createCodes({ key: systemRandom.bytes(32) });
let counter = 0;
measure('codes of 7 characters', 200_000, () => codes.codeOf(counter++));
counter = codesOfLength(7);
measure('codes of 8 characters', 200_000, () => codes.codeOf(counter++));
