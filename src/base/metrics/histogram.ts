/**
 * A histogram whose series are plain numbers, for what is measured at every request: prom-client's own checks, hashes and
 * looks up the labels at each observation.
 */
import type { Metric, MetricValueWithName, Registry } from 'prom-client';
import type { LabelBounds, Labels } from './labels.ts';

/** One combination of labels. */
export interface HistogramSeries {
  observe(value: number): void;
}

export interface Histogram {
  observe(labels: Labels, value: number): void;
  /** For observing with the same labels again and again. */
  series(labels: Labels): HistogramSeries;
}

export interface HistogramDefinition {
  name: string;
  help: string;
  /** Upper bounds, ascending. */
  buckets: readonly number[];
  labels: LabelBounds;
}

/** Combinations of labels that are looked up as they are given; the others are bound each time. */
const GIVEN_MAX = 10_000;

interface Readings extends HistogramSeries {
  values(name: string): MetricValueWithName<string>[];
}

function createReadings(buckets: readonly number[], labels: Record<string, string>): Readings {
  const counts = new Float64Array(buckets.length + 1);
  let sum = 0;
  return {
    observe(value) {
      let at = 0;
      while (at < buckets.length && value > (buckets[at] as number)) at += 1;
      counts[at] = (counts[at] as number) + 1;
      sum += value;
    },
    values(name) {
      let count = 0;
      const upTo = [...counts].map((each, at) => {
        count += each;
        const le = buckets[at] ?? '+Inf';
        return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: count };
      });
      return [
        ...upTo,
        { metricName: `${name}_sum`, labels, value: sum },
        { metricName: `${name}_count`, labels, value: count },
      ];
    },
  };
}

/** Adds a histogram to the registry, which reads it when scraped. */
export function registerHistogram(registry: Registry, definition: HistogramDefinition): Histogram {
  const { name, help, buckets, labels: bounds } = definition;
  const all = new Map<string, Readings>();
  /** By labels as they are given, of which the first have been bound. */
  const given = new Map<string, Readings>();

  function series(labels: Labels): Readings {
    let name = '';
    for (const each of bounds.names) name += `${labels[each]}\n`;
    const known = given.get(name);
    if (known !== undefined) return known;
    const readings = bind(labels);
    if (given.size < GIVEN_MAX) given.set(name, readings);
    return readings;
  }

  function bind(labels: Labels): Readings {
    const bound = bounds.bind(labels);
    const key = bounds.names.map((each) => bound[each]).join('\n');
    let readings = all.get(key);
    if (readings === undefined) {
      readings = createReadings(buckets, bound);
      all.set(key, readings);
    }
    return readings;
  }

  // What has no labels is there from the start, at zero.
  if (bounds.names.length === 0) series({});
  const get = async () => ({
    ...{ name, help, type: 'histogram', aggregator: 'sum' },
    values: [...all.values()].flatMap((readings) => readings.values(name)),
  });
  registry.registerMetric({ name, get } as unknown as Metric);
  return { series, observe: (labels, value) => series(labels).observe(value) };
}
