/**
 * Each point of a calibration is measured while little else goes on, as far as the machine lets it: how much others and the
 * host took is looked at beside each, a disturbed one is measured again, and what stays disturbed is said.
 */
import type { Clock } from '#base/clock';
import type { MachineWatch } from '#blocks/load';

/** Of all cores, that others and the host may have had during a point. Single ticks of 10 ms are more than a twentieth of a short one. */
export const OTHERS_SHARE_MAX = 0.12;
/** A point is measured so often at most. */
const TRIES = 3;

export interface Quiet {
  /** Measures, and again where it was disturbed; the least disturbed counts. */
  run<T>(name: string, measure: () => Promise<T>): Promise<T>;
  /** Whether anything of that name has stayed disturbed. */
  isDisturbed(name: string): boolean;
  report(): Quality;
}

/** How a calibration went. */
export interface Quality {
  /** The most that others had during a point that counts. */
  othersShareMax: number;
  /** Points measured again. */
  repeated: number;
  /** Names of what has stayed disturbed. */
  disturbed: string[];
  /** Figures that cannot all be right. */
  contradictions: string[];
}

/** @param repeatMsMax for all repetitions together: on a machine that is never quiet they end in time */
export function createQuiet(
  { repeatMsMax }: { repeatMsMax: number },
  { clock, machine }: { clock: Clock; machine: Pick<MachineWatch, 'report'> },
): Quiet {
  const disturbed = new Set<string>();
  let [leftMs, repeated, othersShareMax] = [repeatMsMax, 0, 0];

  async function look<T>(measure: () => Promise<T>) {
    machine.report();
    const value = await measure();
    const { foreignShare, stealShare } = machine.report();
    return { value, othersShare: foreignShare + stealShare };
  }

  return {
    async run(name, measure) {
      let best = await look(measure);
      for (let tries = 1; tries < TRIES && best.othersShare > OTHERS_SHARE_MAX && leftMs > 0; tries++) {
        const beganMs = clock.monotonicMs();
        const next = await look(measure);
        leftMs -= clock.monotonicMs() - beganMs;
        repeated += 1;
        if (next.othersShare < best.othersShare) best = next;
      }
      if (best.othersShare > OTHERS_SHARE_MAX) disturbed.add(name);
      othersShareMax = Math.max(othersShareMax, best.othersShare);
      return best.value;
    },
    isDisturbed: (name) => disturbed.has(name),
    report: () => ({ othersShareMax, repeated, disturbed: [...disturbed], contradictions: [] }),
  };
}
