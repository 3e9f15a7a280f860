/**
 * A drill's result for the tests of its reports: a primary that is lost and a standby that takes its place.
 */
import type { MachineReport } from '#blocks/load';
import type { DrillResult, Slice } from './result.ts';

function sliceAt(atMs: number): Slice {
  const isDown = atMs >= 8000 && atMs < 10_400;
  const isSlow = atMs >= 10_400 && atMs < 12_000;
  const wave = (at: number) => Math.round(20 * Math.sin(at / 700));
  const count = 200 + wave(atMs);
  const notSent = 0;
  const [refused, unknown] = isDown ? [Math.round(count * 0.7), atMs < 8400 ? 20 : 0] : [0, 0];
  return {
    atMs,
    ok: isDown && atMs < 9000 ? 0 : count - refused - unknown,
    refused,
    unknown,
    notSent,
    latencyP50Ms: isSlow ? 12 : 1.8 + wave(atMs) / 30,
    latencyP99Ms: isDown ? 900 : isSlow ? 2400 - (atMs - 10_400) : 14 + wave(atMs * 3) / 4,
  };
}

/** Nothing else goes on. */
export const QUIET_MACHINE: MachineReport = {
  ...{ cores: 4, ownShare: 0.3, foreignShare: 0.01, stealShare: 0, worstShare: 0.04 },
  ...{ lateP99Ms: 3, lateMaxMs: 21 },
};

/** As a drill gives it. */
export function makeResult(own: Partial<DrillResult> = {}): DrillResult {
  return {
    drill: 'primary-lost',
    summary: 'The primary is lost and the standby promoted: nothing acknowledged is lost.',
    seed: 42,
    startedAt: '2026-01-02T03:04:05.678Z',
    durationMs: 20_000,
    topology: ['main: 2 processes, embedded Postgres with 1 standby', 'worker: joins main'],
    ratePerS: 1000,
    heldPerS: 2857,
    generatorLate: 0,
    machine: QUIET_MACHINE,
    disturbances: [],
    sliceMs: 200,
    slices: Array.from({ length: 100 }, (_, at) => sliceAt(at * 200)),
    marks: [
      { atMs: 8000, kind: 'fault', text: 'kill -9 of the primary, pid 4711' },
      { atMs: 8350, kind: 'note', text: 'loadstone database promote' },
      { atMs: 9800, kind: 'process', text: 'the standby takes writes, term 4' },
      { atMs: 10_000, kind: 'heal', text: 'promoted' },
      { atMs: 11_800, kind: 'recovered', text: 'the first second without a failure' },
      { atMs: 19_000, kind: 'note', text: 'the old primary is a standby of the new one' },
    ],
    acknowledged: 41_233,
    found: 41_233,
    recoveredMs: 1800,
    checks: [
      {
        claim: 'nothing acknowledged is lost',
        passed: true,
        detail: '41,233 writes acknowledged, 41,233 found in rows and log',
      },
      {
        claim: 'what is derived equals the truth',
        passed: false,
        detail: 'note_counts\nnote_counts: 2 differences, 0 parked keys',
      },
    ],
    again: 'loadstone drill primary-lost --seed 42',
    ...own,
  };
}
