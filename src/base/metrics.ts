/**
 * Metrics. A room declares its metrics in metrics.ts; they live in one registry per server, so that two servers in
 * one process (tests) do not share counters.
 */
import assert from 'node:assert/strict';
import type { Registry as PromRegistry } from 'prom-client';
import { type Histogram, registerHistogram } from './metrics/histogram.ts';
import { createLabelBounds, type LabelBounds, type LabelDefinitions, type Labels } from './metrics/labels.ts';
import { Counter as PromCounter, Gauge as PromGauge, Registry } from './metrics/prometheus.ts';

export interface MetricDefinition {
  help: string;
  /** With the values that they may have. */
  labels?: LabelDefinitions;
}

export interface HistogramOptions extends MetricDefinition {
  /** Upper bounds of the buckets, in the unit that the name ends with. */
  buckets?: readonly number[];
}

/** How the readings of several processes become one: they add up, or all read the same thing and the largest counts. */
export type AcrossProcesses = 'sum' | 'max';

export interface Counter {
  inc(labels: Labels, by?: number): void;
}

/** What is kept elsewhere and read when scraped. */
export interface Readable {
  /** Reads one series; it has no value while that is undefined. What is watched again is read anew from then on. */
  watch(labels: Labels, read: () => number | undefined): void;
}

export interface Metrics {
  readonly registry: PromRegistry;
  counter(name: string, definition: MetricDefinition): Counter;
  histogram(name: string, definition: HistogramOptions): Histogram;
  /** A gauge, read when scraped; without a value while that is undefined. @param across default: sum */
  gauge(name: string, help: string, read: () => number | undefined, across?: AcrossProcesses): void;
  /** A counter kept as a plain number, by what counts too often for more, and read when scraped. */
  counted(name: string, help: string, read: () => number): void;
  /** The same with labels. Who declares a name again, in the same way, gets the metric that there is. */
  gauges(name: string, definition: MetricDefinition & { across?: AcrossProcesses }): Readable;
  counts(name: string, definition: MetricDefinition): Readable;
}

export const LATENCY_BUCKETS_S = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

type Declared = { kind: string; definition: string; metric: unknown };

/** Several rooms may have a part in one metric, each with labels of its own. */
function createCatalogue() {
  const declared = new Map<string, Declared>();
  return <M>(kind: string, name: string, given: MetricDefinition, make: () => M): M => {
    const definition = JSON.stringify(given);
    const known = declared.get(name);
    if (known === undefined) {
      const metric = make();
      declared.set(name, { kind, definition, metric });
      return metric;
    }
    assert(known.kind === kind && known.definition === definition, `${name} is declared in two ways`);
    return known.metric as M;
  };
}

interface Watched {
  labels: Record<string, string>;
  read: () => number | undefined;
}

function createWatched(bounds: LabelBounds) {
  const watched = new Map<string, Watched>();
  return {
    values: () => watched.values(),
    watch(given: Labels, read: () => number | undefined) {
      const labels = bounds.bind(given);
      watched.set(Object.values(labels).join('\n'), { labels, read });
    },
  };
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const once = createCatalogue();

  const gauges: Metrics['gauges'] = (name, definition) =>
    once('gauge', name, definition, () => {
      const { help, labels, across = 'sum' } = definition;
      const bounds = createLabelBounds(name, labels);
      const { watch, values } = createWatched(bounds);
      new PromGauge({
        ...{ name, help, registers, aggregator: across, labelNames: [...bounds.names] },
        collect() {
          this.reset();
          // Without labels it would be at zero, and not without a value.
          if (bounds.names.length === 0) this.remove();
          for (const each of values()) {
            const value = each.read();
            if (value !== undefined) this.set(each.labels, value);
          }
        },
      });
      return { watch };
    });

  const counts: Metrics['counts'] = (name, definition) =>
    once('counter', name, definition, () => {
      const { help, labels } = definition;
      const bounds = createLabelBounds(name, labels);
      const { watch, values } = createWatched(bounds);
      new PromCounter({
        ...{ name, help, registers, labelNames: [...bounds.names] },
        collect() {
          this.reset();
          for (const each of values()) this.inc(each.labels, each.read() ?? 0);
        },
      });
      return { watch };
    });

  return {
    registry,
    gauges,
    counts,
    counter: (name, definition) =>
      once('inc', name, definition, () => {
        const bounds = createLabelBounds(name, definition.labels);
        const labelNames = [...bounds.names];
        const counter = new PromCounter({ name, help: definition.help, labelNames, registers });
        return { inc: (labels, by = 1) => counter.inc(bounds.bind(labels), by) };
      }),
    histogram: (name, definition) =>
      once('histogram', name, definition, () => {
        const { help, labels, buckets = LATENCY_BUCKETS_S } = definition;
        return registerHistogram(registry, { name, help, buckets, labels: createLabelBounds(name, labels) });
      }),
    gauge: (name, help, read, across = 'sum') => gauges(name, { help, across }).watch({}, read),
    counted: (name, help, read) => counts(name, { help }).watch({}, read),
  };
}
