/**
 * The end of a route, as its answers tell it: `Deprecation` (RFC 9745), `Sunset` (RFC 8594), and where to read of both.
 */
import assert from 'node:assert/strict';

export interface Deprecation {
  /** From this day on it should not be called any more: `2026-12-01`. */
  since: string;
  /** From this day on it may answer no more. Not before `since`. */
  sunset?: string;
  /** Where it is told what to call instead. */
  link?: string;
}

const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** Midnight in UTC. */
function momentOf(name: string, day: string): Date {
  const moment = new Date(`${day}T00:00:00Z`);
  const isDay = DAY.test(day) && !Number.isNaN(moment.getTime()) && moment.toISOString().startsWith(day);
  assert(isDay, `deprecated.${name} is "${day}"; allowed is a day such as 2026-12-01`);
  return moment;
}

/**
 * The headers of every answer of a deprecated route.
 * @throws AssertionError when one of its days is none, or the end comes first
 */
export function deprecationHeaders({ since, sunset, link }: Deprecation): Record<string, string> {
  const from = momentOf('since', since);
  const headers: Record<string, string> = { deprecation: `@${from.getTime() / 1000}` };
  const links = link === undefined ? [] : [`<${new URL(link).href}>; rel="deprecation"`];
  if (sunset !== undefined) {
    const end = momentOf('sunset', sunset);
    assert(end >= from, `deprecated.sunset (${sunset}) is before deprecated.since (${since})`);
    headers.sunset = end.toUTCString();
    if (link !== undefined) links.push(`<${new URL(link).href}>; rel="sunset"`);
  }
  if (links.length > 0) headers.link = links.join(', ');
  return headers;
}

/** The same in words, as Markdown. */
export function describeDeprecation({ since, sunset, link }: Deprecation): string {
  const ends = sunset === undefined ? '' : ` It may answer no more from ${sunset} on.`;
  const told = link === undefined ? '' : ` What to call instead: ${link}`;
  return `**Deprecated** since ${since}.${ends}${told}`;
}
