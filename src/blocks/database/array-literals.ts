/**
 * Arrays as Postgres reads them, for statements over many rows (`unnest(${numbers(ids)}::bigint[])`). Joined here and sent
 * as one text, because the driver's own way looks at each element by itself: a third of the time of an enqueue of 100 jobs.
 */

/** Numbers, or ids. */
export function numbers(values: readonly (number | string | null)[]): string {
  return `{${values.map((value) => value ?? 'NULL').join(',')}}`;
}

/** Texts; what is absent is null. */
export function texts(values: readonly (string | null | undefined)[]): string {
  return `{${values.map((value) => (value == null ? 'NULL' : `"${value.replaceAll(/["\\]/g, '\\$&')}"`)).join(',')}}`;
}

/** Texts that are JSON: of what a second round of JSON escapes, they hold only quotes and backslashes. */
export function jsonTexts(values: readonly string[]): string {
  return `{${values.map((value) => JSON.stringify(value)).join(',')}}`;
}

/** Points in time, from milliseconds since 1970. */
export function times(valuesMs: readonly (number | null)[]): string {
  return `{${valuesMs.map((ms) => (ms === null ? 'NULL' : `"${new Date(ms).toISOString()}"`)).join(',')}}`;
}

/** Bytes, in hexadecimal. */
export function bytes(values: readonly Buffer[]): string {
  return `{${values.map((value) => `"\\\\x${value.toString('hex')}"`).join(',')}}`;
}
