/**
 * Metrics. A room declares its signals in signals.ts; they live in one registry per server, so that two servers in
 * one process (tests) do not share counters.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

export type SignalKind = 'counter' | 'gauge' | 'histogram';

export interface SignalDefinition {
  kind: SignalKind;
  help: string;
  labels?: readonly string[];
  /** Upper bounds of a histogram's buckets, in the unit that the name ends with. */
  buckets?: readonly number[];
}

/** How the readings of several processes become one: they add up, or all read the same thing and the largest counts. */
export type AcrossProcesses = 'sum' | 'max';

export interface Signals {
  readonly registry: Registry;
  counter(name: string, definition: Omit<SignalDefinition, 'kind'>): Counter;
  histogram(name: string, definition: Omit<SignalDefinition, 'kind'>): Histogram;
  /** A gauge, read when scraped; without a value while that is undefined. @param across default: sum */
  gauge(name: string, help: string, read: () => number | undefined, across?: AcrossProcesses): Gauge;
  /** A counter kept as a plain number by a hot path and read when scraped. */
  counted(name: string, help: string, read: () => number): Counter;
}

export const LATENCY_BUCKETS_S = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

export function createSignals(): Signals {
  const registry = new Registry();
  const registers = [registry];
  return {
    registry,
    counter: (name, { help, labels = [] }) => new Counter({ name, help, labelNames: [...labels], registers }),
    histogram: (name, { help, labels = [], buckets = LATENCY_BUCKETS_S }) =>
      new Histogram({ name, help, labelNames: [...labels], buckets: [...buckets], registers }),
    gauge: (name, help, read, across = 'sum') =>
      new Gauge({
        name,
        help,
        registers,
        aggregator: across,
        collect() {
          const value = read();
          if (value === undefined) this.remove();
          else this.set(value);
        },
      }),
    counted: (name, help, read) =>
      new Counter({
        name,
        help,
        registers,
        collect() {
          this.reset();
          this.inc(read());
        },
      }),
  };
}
