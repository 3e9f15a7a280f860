/**
 * How numbers are written. Units are decimal: 1 KB = 1,000 bytes. A day has 86,400 s; a year 365 days; a month is its
 * twelfth.
 */

export const DAY_S = 86_400;
export const YEAR_DAYS = 365;

export type Unit = '' | '/s' | '/day' | 'B' | 'B/s' | 'B/day' | 'bit/s' | 'ms' | '%' | 'years';

const PREFIXES = ['', 'K', 'M', 'G', 'T', 'P', 'E', 'Z'] as const;

/** How far a number written with ≈ may be from the exact one. */
const ROUNDING_ERROR_MAX = 0.015;
/** What a sum of floating-point numbers may be off by, when ties are looked for. */
const TIE = 1e-9;

/** The nearest multiple of `step`; of two, the even one (36.5 → 36). */
function toMultiple(value: number, step: number): number {
  const steps = value / step;
  const below = Math.floor(steps);
  const rest = steps - below;
  const isTie = Math.abs(rest - 0.5) < TIE * Math.max(1, steps);
  return (isTie ? below + (below % 2) : Math.round(steps)) * step;
}

/**
 * The number of the fewest digits that is within 1.5 % of `value`; a tie goes to the even digit.
 * 5,787.04 → 5,800; 17,361.11 → 17,400; 36.5 → 36.
 */
export function roundHumanely(value: number): number {
  if (value === 0 || !Number.isFinite(value)) return value;
  if (value < 0) return -roundHumanely(-value);
  const exponent = Math.floor(Math.log10(value));
  for (let digits = 1; digits <= 3; digits += 1) {
    const power = exponent - digits + 1;
    // Dividing by a whole power keeps 9,125 / 1,000 exact, where multiplying by 0.001 would not.
    const scaled = power >= 0 ? value / 10 ** power : value * 10 ** -power;
    const whole = toMultiple(scaled, 1);
    const rounded = power >= 0 ? whole * 10 ** power : whole / 10 ** -power;
    if (Math.abs(rounded - value) <= ROUNDING_ERROR_MAX * value) return rounded;
  }
  return value;
}

/** With thousands separators: whole numbers in full, others to two decimals, below one to four significant digits. */
export function formatNumber(value: number): string {
  if (Number.isInteger(value)) return value.toLocaleString('en-US', { useGrouping: true });
  const below = Math.abs(value) < 1;
  return value.toLocaleString(
    'en-US',
    below ? { maximumSignificantDigits: 4 } : { maximumFractionDigits: 2 },
  );
}

function prefixed(value: number, unit: string): string {
  const index = value < 1000 ? 0 : Math.min(PREFIXES.length - 1, Math.floor(Math.log10(value) / 3));
  const scaled = value / 1000 ** index;
  const text = scaled.toLocaleString('en-US', { maximumFractionDigits: 3 });
  return `${text} ${PREFIXES[index]}${unit}`;
}

/** `5,787.04/s`, `25 TB/day`, `1.225 ms`: bytes with the largest prefix, all else as it is. */
export function formatAmount(value: number, unit: Unit): string {
  if (unit === 'B' || unit === 'B/s' || unit === 'B/day' || unit === 'bit/s') return prefixed(value, unit);
  if (unit === 'ms' || unit === '%') return `${formatFine(value)} ${unit}`;
  if (unit === 'years') return `${formatNumber(value)} ${value === 1 ? 'year' : 'years'}`;
  return `${formatNumber(value)}${unit}`;
}

/** To ten significant digits, which is what nines need: 99.9999. */
function formatFine(value: number): string {
  return Number(value.toPrecision(10)).toLocaleString('en-US', { maximumFractionDigits: 8 });
}

/** `≈ 5,800/s`; without the sign where nothing had to be rounded. Of a percentage it is what lacks to 100 that is rounded. */
export function formatHumane(value: number, unit: Unit): string {
  const lacking = Number((100 - value).toPrecision(10));
  const rounded = unit === '%' ? 100 - roundHumanely(lacking) : roundHumanely(value);
  return `${rounded === value ? '' : '≈ '}${formatAmount(rounded, unit)}`;
}

const FACTORS: Readonly<Record<string, number>> = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, PB: 1e15 };

export const BYTES_PATTERN = '^([0-9]+(?:\\.[0-9]+)?) ?(B|KB|MB|GB|TB|PB)$';

const BYTES = new RegExp(BYTES_PATTERN);

/** Bytes of `500 KB`, or of a number. The text fits BYTES_PATTERN. */
export function parseBytes(given: number | string): number {
  if (typeof given === 'number') return given;
  const [, amount = '', unit = 'B'] = BYTES.exec(given) ?? [];
  return Math.round(Number(amount) * (FACTORS[unit] ?? 1));
}
