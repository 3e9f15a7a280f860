/**
 * How shapes state a time: RFC 3339 in UTC, as `toTime` writes it.
 */
import Type from 'typebox';

const FORMAT = { format: 'date-time' } as const;

/** A time that is always there. */
export const timeField = (description: string) => Type.String({ ...FORMAT, description });

/** A time, or null where there is none (yet). */
export const timeOrNull = (description: string, more: { examples?: (string | null)[] } = {}) =>
  Type.Union([Type.String(FORMAT), Type.Null()], { description, ...more });
