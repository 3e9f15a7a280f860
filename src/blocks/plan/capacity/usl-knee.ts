/**
 * Where the knee will be, by the scalability law and the queue in front of the server.
 */
import { throughputAt, type UslFit } from './usl.ts';

export interface KneePrediction {
  perS: number;
  /** Throughput with all connections always busy. */
  capacityPerS: number;
  /** Share of the capacity at which latency comes to its bound. */
  utilisation: number;
}

/**
 * The rate at which the 99th percentile of latency comes to `withinMs`. The capacity is that of the law at so many
 * connections; up to it requests queue as in M/M/1, whose time in the system is exponential with mean S/(1 − ρ) for a service
 * time S of one over the capacity (Kleinrock, "Queueing Systems", vol. 1, 1975, ch. 3), so p99 = S·ln 100/(1 − ρ).
 */
export function predictKnee(
  law: Pick<UslFit, 'lambda' | 'sigma' | 'kappa'>,
  { connections, withinMs }: { connections: number; withinMs: number },
): KneePrediction {
  const capacityPerS = throughputAt(law, connections);
  const serviceMs = 1000 / capacityPerS;
  const utilisation = Math.max(0, 1 - (serviceMs * Math.log(100)) / withinMs);
  return { perS: capacityPerS * utilisation, capacityPerS, utilisation };
}
