/**
 * Times as text: RFC 3339. What is given to others is in UTC and has milliseconds.
 */

/** RFC 3339, 5.6: `T` and `Z` in either case, seconds and an offset always, any number of fraction digits. */
const DATE_TIME =
  /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})(?:\.(\d{1,30}))?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))$/i;

/**
 * Milliseconds since 1970 of an RFC 3339 time, parts of a millisecond cut off; undefined when it is none.
 * `Date.parse` alone takes much that is none ("2030", "1 May", February 30) and guesses missing offsets, so the form
 * is checked first, and the calendar by writing the result out again. A leap second (`:60`) is refused: POSIX time
 * has no place for it, and whether one will be inserted on a future day is not known until months before.
 */
export function parseTime(text: string): number | undefined {
  const [, date, time, fraction = '', sign, hours, minutes] = DATE_TIME.exec(text) ?? [];
  const local = `${date}T${time}.${fraction.padEnd(3, '0').slice(0, 3)}Z`;
  const localMs = Date.parse(local);
  if (Number.isNaN(localMs) || new Date(localMs).toISOString() !== local) return undefined;
  const offsetMs = (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * 60_000;
  return sign === '-' ? localMs + offsetMs : localMs - offsetMs;
}

/** As an answer has it; null for none. */
export function toTime(time: Date | number): string;
export function toTime(time: Date | number | null | undefined): string | null;
export function toTime(time: Date | number | null | undefined): string | null {
  if (time === null || time === undefined) return null;
  return new Date(time).toISOString();
}
