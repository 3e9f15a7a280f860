/**
 * How commands write for people: columns, times, lengths of time. No colour.
 */
import { formatWhole } from '#base/values/numbers';
import { toTime } from '#base/values/time';

const GAP = '  ';
const SECOND_MS = 1000;
const UNITS = [
  { name: 'd', ms: 86_400_000 },
  { name: 'h', ms: 3_600_000 },
  { name: 'min', ms: 60_000 },
] as const;

/** On one line, cut to `lengthMax`, and without what a terminal would obey: keys and errors are whatever others have sent. */
export function oneLine(text: string, lengthMax = Number.POSITIVE_INFINITY): string {
  const line = text.replaceAll(/\s*[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+\s*/gu, ' ').trim();
  return line.length > lengthMax ? `${line.slice(0, lengthMax - 1).trimEnd()}…` : line;
}

/** As a word of a command that can be pasted into a shell. */
export function shellQuote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Rows of cells as text, every column as wide as its widest cell. */
export function alignColumns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join(GAP)
        .trimEnd(),
    )
    .join('\n');
}

/** As `toTime`, to the second; `-` when there is none. */
export function formatTime(ms: number | undefined): string {
  return toTime(ms)?.replace(/\.\d+Z$/, 'Z') ?? '-';
}

/** `0.4 s`, `90 s`, `12 min`, `5 h`, `3 d`: in the largest unit of which there are two. */
export function formatSpan(ms: number): string {
  const unit = UNITS.find((each) => ms >= 2 * each.ms);
  if (unit) return `${Math.floor(ms / unit.ms)} ${unit.name}`;
  return `${(ms / SECOND_MS).toFixed(ms < 10 * SECOND_MS ? 1 : 0)} s`;
}

/** `1 job`, `2 jobs`. */
export function formatCount(count: number, thing: string, things = `${thing}s`): string {
  return `${formatWhole(count)} ${count === 1 ? thing : things}`;
}

/** `512 B`, `3.4 MB`: decimal, in the largest unit of which there is one. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const at = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const value = bytes / 1000 ** at;
  return `${value.toFixed(at > 0 && value < 100 ? 1 : 0)} ${units[at]}`;
}
