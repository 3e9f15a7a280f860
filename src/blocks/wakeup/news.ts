/**
 * News as text, in one notification: at most 8,000 bytes in Postgres. What does not fit is left to be looked for. Pure.
 */
import type { News, Subject } from './subject.ts';

const BYTES_MAX = 7900;
const SUBJECTS: ReadonlySet<string> = new Set<Subject>(['outbox', 'log', 'jobs']);

export function encodeNews(news: ReadonlyMap<Subject, News>): string {
  const whole = JSON.stringify(
    Object.fromEntries([...news].map(([subject, of]) => [subject, entriesOf(of)])),
  );
  if (Buffer.byteLength(whole) <= BYTES_MAX) return whole;
  return JSON.stringify(Object.fromEntries([...news.keys()].map((subject) => [subject, null])));
}

const entriesOf = (news: News) => (news === undefined ? null : Object.fromEntries(news));

/** Undefined for what is not understood, as from a later version: anything may be new. */
export function decodeNews(payload: string): ReadonlyMap<Subject, News> | undefined {
  try {
    const given = Object.entries(JSON.parse(payload) as Record<string, Record<string, string> | null>);
    if (!given.every(([subject]) => SUBJECTS.has(subject))) return undefined;
    return new Map(
      given.map(([subject, of]) => [
        subject as Subject,
        of === null ? undefined : new Map(Object.entries(of)),
      ]),
    );
  } catch {
    return undefined;
  }
}
