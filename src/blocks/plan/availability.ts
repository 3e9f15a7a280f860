/**
 * Availability: of parts that are all needed (in series), of parts any of which will do (in parallel), and what is left of
 * a year.
 */
import { DAY_S, YEAR_DAYS } from './units.ts';

/** The share of time that all parts are there at once, if they fail independently of each other. */
export function inSeries(shares: readonly number[]): number {
  return shares.reduce((product, share) => product * share, 1);
}

/** The share of time that at least one part is there, if they fail independently and another takes over at once. */
export function inParallel(shares: readonly number[]): number {
  return 1 - shares.reduce((product, share) => product * (1 - share), 1);
}

const YEAR_S = YEAR_DAYS * DAY_S;
const MONTHS = 12;
const PERCENTS = [90, 99, 99.5, 99.9, 99.95, 99.99, 99.999, 99.9999] as const;

export interface Downtime {
  percent: number;
  perYearS: number;
  perMonthS: number;
}

/** How long something of this availability may be away. */
export function downtime(percent: number): Downtime {
  // In whole hundred-millionths, so that 100 − 99.9 is not 0.0999…943.
  const away = Math.round((100 - percent) * 1e8) / 1e10;
  return { percent, perYearS: away * YEAR_S, perMonthS: (away * YEAR_S) / MONTHS };
}

/** The table of nines. */
export const downtimes: readonly Downtime[] = PERCENTS.map(downtime);

/** `8 h 45 min 36 s`; below ten seconds with a decimal. */
export function formatSeconds(seconds: number): string {
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.round(seconds);
  const parts = [
    { count: Math.floor(whole / DAY_S), unit: 'd' },
    { count: Math.floor((whole % DAY_S) / 3600), unit: 'h' },
    { count: Math.floor((whole % 3600) / 60), unit: 'min' },
    { count: whole % 60, unit: 's' },
  ];
  return parts
    .filter(({ count }) => count > 0)
    .map(({ count, unit }) => `${count} ${unit}`)
    .join(' ');
}
