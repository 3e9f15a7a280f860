/**
 * The labels of a metric. Each combination of values is a series of its own, kept for ever, here and in whatever scrapes:
 * so what values there are is declared with the metric.
 */
import assert from 'node:assert/strict';

/**
 * The values of one label: all there are; or, where only the running server knows them, what they are the names of. Of those
 * more than `OPEN_VALUES_MAX` are counted together, as `other`.
 */
export type LabelValues = readonly string[] | { of: string };

export type LabelDefinitions = Readonly<Record<string, LabelValues>>;

export type Labels = Readonly<Record<string, string | number>>;

export const OPEN_VALUES_MAX = 1000;
const OTHER = 'other';

export interface LabelBounds {
  names: readonly string[];
  /** As declared: each label there is, once, with one of its values. */
  bind(labels: Labels): Record<string, string>;
}

export function createLabelBounds(metric: string, definitions: LabelDefinitions = {}): LabelBounds {
  const names = Object.keys(definitions);
  const open = new Map<string, Set<string>>();

  function bindOpen(name: string, value: string): string {
    let seen = open.get(name);
    if (seen === undefined) {
      seen = new Set();
      open.set(name, seen);
    }
    if (seen.has(value)) return value;
    if (seen.size >= OPEN_VALUES_MAX) return OTHER;
    seen.add(value);
    return value;
  }

  function bindOne(name: string, given: string | number | undefined): string {
    assert(given !== undefined, `${metric} needs the label ${name}`);
    const value = String(given);
    const values = definitions[name] as LabelValues;
    if ('of' in values) return bindOpen(name, value);
    assert(values.includes(value), `${metric}: ${name} is none of ${values.join(', ')}: ${value}`);
    return value;
  }

  return {
    names,
    bind(labels) {
      const bound: Record<string, string> = {};
      for (const name of names) bound[name] = bindOne(name, labels[name]);
      assert.equal(Object.keys(labels).length, names.length, `${metric} has the labels ${names.join(', ')}`);
      return bound;
    },
  };
}
