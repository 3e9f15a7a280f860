/**
 * 64-bit numbers as text: they do not fit a JavaScript number, and Postgres refuses what does not fit a bigint.
 */

/** The largest bigint, and so the largest id and the last position of any log. */
export const BIGINT_MAX = String(2n ** 63n - 1n);

const MIN = -(2n ** 63n);
const MAX = 2n ** 63n - 1n;
const DECIMAL = /^(?:0|-?[1-9][0-9]{0,18})$/;

/** Whether the text is a bigint as Postgres writes it: one spelling for each number. */
export function isBigint(text: string): boolean {
  if (!DECIMAL.test(text)) return false;
  const value = BigInt(text);
  return value >= MIN && value <= MAX;
}
