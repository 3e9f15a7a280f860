/**
 * Numbers that carry their derivation: each figure is one line of arithmetic, whose text and value are made from the
 * same terms.
 */
import { formatAmount, formatNumber, type Unit } from '../units.ts';

export interface Figure {
  /** What it is: `posts: reads, average`. */
  name: string;
  value: number;
  unit: Unit;
  /** `100,000,000 × 5 ÷ 86,400 = 5,787.04/s`. */
  how: string;
}

/** A number to multiply by, or `{ over }` one to divide by. */
export type Factor = number | { over: number };

function conclude(name: string, value: number, unit: Unit, text: string): Figure {
  return { name, value, unit, how: `${text} = ${formatAmount(value, unit)}` };
}

/** Multiplied and divided from left to right. */
export function product(name: string, unit: Unit, first: number, ...factors: readonly Factor[]): Figure {
  let value = first;
  let text = formatNumber(first);
  for (const factor of factors) {
    const divides = typeof factor === 'object';
    const by = divides ? factor.over : factor;
    value = divides ? value / by : value * by;
    text += ` ${divides ? '÷' : '×'} ${formatNumber(by)}`;
  }
  return conclude(name, value, unit, text);
}

/** The sum of what was figured before. */
export function sum(name: string, unit: Unit, parts: readonly number[]): Figure {
  const value = parts.reduce((total, part) => total + part, 0);
  return conclude(name, value, unit, parts.map(formatNumber).join(' + ') || '0');
}

/** For what is neither: the text is the caller's. */
export function reckoned(name: string, unit: Unit, value: number, text: string): Figure {
  return conclude(name, value, unit, text);
}
