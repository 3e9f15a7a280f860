/**
 * Numbers for a person to read.
 */

/** Whole, with thousands separators: `1,234,567`. */
export function formatWhole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
