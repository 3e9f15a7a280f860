/**
 * Whether the machine was good enough for what a drill says of times. Pure.
 */
import type { MachineReport } from '#blocks/load';
import type { Attempt } from './load/attempt.ts';
import type { Disturbance } from './report/result.ts';

/** Of all cores, that others and the host took: on the whole, and for two seconds in a row. */
const [OTHERS_SHARE_MAX, WORST_SHARE_MAX] = [0.15, 0.4];
const STEAL_SHARE_MAX = 0.05;
/** How late the drill's own process may be woken, 99 of 100 times and at most; and beyond which its load was not one. */
const [LATE_MS_MAX, LATEST_MS_MAX, BLIND_MS] = [100, 1000, 1000];
/** Of the load, that was never sent since the generator was late; and beyond which too little was tried. */
const [UNSENT_SHARE_MAX, BLIND_SHARE] = [0.002, 0.05];

const percent = (share: number) => `${Math.round(share * 100)} %`;
const inTime = (ms: number) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

/** Why timing is not to be trusted; none where the machine was good enough. */
export function disturbancesOf(machine: MachineReport, loaded: readonly Attempt[]): Disturbance[] {
  const { foreignShare, stealShare, worstShare, lateP99Ms, lateMaxMs } = machine;
  const found: Disturbance[] = [];
  const others = foreignShare + stealShare;
  if (others > OTHERS_SHARE_MAX || worstShare > WORST_SHARE_MAX) {
    const text = `other processes had ${percent(foreignShare)} of its cores, and with the host ${percent(worstShare)} at worst`;
    found.push({ text, isBlinding: false });
  }
  if (stealShare > STEAL_SHARE_MAX) {
    found.push({ text: `its host took ${percent(stealShare)} of its cores away`, isBlinding: false });
  }
  if (lateP99Ms > LATE_MS_MAX || lateMaxMs > LATEST_MS_MAX) {
    const text = `the generator was woken ${inTime(lateP99Ms)} late at the 99th percentile, ${inTime(lateMaxMs)} at worst`;
    found.push({ text, isBlinding: lateP99Ms > BLIND_MS });
  }
  const unsent = loaded.filter(({ fate }) => fate === 'generator_late').length;
  const share = loaded.length === 0 ? 0 : unsent / loaded.length;
  if (share > UNSENT_SHARE_MAX) {
    const text = `${unsent} of ${loaded.length} requests were not sent (generator late)`;
    found.push({ text, isBlinding: share > BLIND_SHARE });
  }
  return found;
}

/** One line: what else the machine did. */
export function describeMachine(machine: MachineReport): string {
  const { cores, ownShare, foreignShare, stealShare, worstShare, lateP99Ms, lateMaxMs } = machine;
  return `${cores} core${cores === 1 ? '' : 's'}: the drill had ${percent(ownShare)}, others ${percent(foreignShare)}, the host took ${percent(stealShare)}, both ${percent(worstShare)} at worst; generator woken ${inTime(lateP99Ms)} late (p99), ${inTime(lateMaxMs)} at worst`;
}
