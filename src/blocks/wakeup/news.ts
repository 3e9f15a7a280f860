/**
 * News as text, in one notification: at most 8,000 bytes in Postgres. What does not fit is left to be looked for. Pure.
 */
import type { News, Topic } from './wakeups.ts';

const BYTES_MAX = 7900;
const TOPICS: ReadonlySet<string> = new Set<Topic>(['outbox', 'log', 'jobs']);

export function encodeNews(news: ReadonlyMap<Topic, News>): string {
  const whole = JSON.stringify(Object.fromEntries([...news].map(([topic, of]) => [topic, entriesOf(of)])));
  if (Buffer.byteLength(whole) <= BYTES_MAX) return whole;
  return JSON.stringify(Object.fromEntries([...news.keys()].map((topic) => [topic, null])));
}

const entriesOf = (news: News) => (news === undefined ? null : Object.fromEntries(news));

/** Undefined for what is not understood, as from a later version: anything may be new. */
export function decodeNews(payload: string): ReadonlyMap<Topic, News> | undefined {
  try {
    const given = Object.entries(JSON.parse(payload) as Record<string, Record<string, string> | null>);
    if (!given.every(([topic]) => TOPICS.has(topic))) return undefined;
    return new Map(
      given.map(([topic, of]) => [topic as Topic, of === null ? undefined : new Map(Object.entries(of))]),
    );
  } catch {
    return undefined;
  }
}
