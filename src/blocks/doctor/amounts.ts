/**
 * Amounts in words for a person.
 */
const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const BYTE_UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** `0.4 s`, `90 s`, `12 min`, `5 h`, `3 d`: in the largest unit of which there are two. */
export function formatDuration(ms: number): string {
  if (ms >= 2 * DAY_MS) return `${Math.floor(ms / DAY_MS)} d`;
  if (ms >= 2 * HOUR_MS) return `${Math.floor(ms / HOUR_MS)} h`;
  if (ms >= 2 * MINUTE_MS) return `${Math.floor(ms / MINUTE_MS)} min`;
  return `${(ms / SECOND_MS).toFixed(ms < 10 * SECOND_MS ? 1 : 0)} s`;
}

/** `12 bytes`, `3.4 MiB`. */
export function formatBytes(bytes: number): string {
  let amount = bytes;
  let unit = 0;
  while (amount >= 1024 && unit < BYTE_UNITS.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? amount : amount.toFixed(1)} ${BYTE_UNITS[unit]}`;
}

/** `12 %`. */
export function formatShare(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** On one line and without what a terminal would obey: names and queries are whatever others have sent. */
export function printable(text: string): string {
  return text.replaceAll(/ *[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+ */gu, ' ').trim();
}
