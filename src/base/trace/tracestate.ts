/**
 * The `tracestate` of W3C Trace Context (level 1, 3.3): what tracing systems along the way keep with a trace. It is passed
 * on as it came, one list from however many lines. One that is malformed anywhere is dropped as a whole, as the standard has it.
 */

const MEMBERS_MAX = 32;
/** As much as every participant must be able to pass on; what is longer is cut, member by member. */
export const TRACESTATE_LENGTH_MAX = 512;
/** Members longer than this go first when it is cut. */
const LONG_MEMBER = 128;

/** A key of one system, or `tenant@system`. A digit may come first in either, as level 2 allows. */
const KEY = /^(?:[a-z0-9][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})$/;
/** Spaces may begin a value and not end it. */
const VALUE = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

interface Member {
  key: string;
  text: string;
}

/** Undefined for what is no member. Spaces and tabs around a member are the list's; those in front of a value are its own. */
function parseMember(item: string): Member | undefined {
  const at = item.indexOf('=');
  const key = item.slice(0, Math.max(0, at));
  const value = item.slice(at + 1);
  return KEY.test(key) && VALUE.test(value) ? { key, text: item } : undefined;
}

const lengthOf = (members: readonly Member[]) =>
  members.reduce((sum, { text }) => sum + text.length, Math.max(0, members.length - 1));

/** Long members go first, then the last ones, which are the oldest. */
function cut(members: Member[]): Member[] {
  const kept = [...members];
  for (const member of members.toReversed()) {
    if (lengthOf(kept) <= TRACESTATE_LENGTH_MAX) return kept;
    if (member.text.length > LONG_MEMBER) kept.splice(kept.indexOf(member), 1);
  }
  while (lengthOf(kept) > TRACESTATE_LENGTH_MAX) kept.pop();
  return kept;
}

/**
 * The list to pass on; undefined where there is nothing to.
 * @param header all lines of it, joined by commas
 */
export function parseTracestate(header: string | undefined): string | undefined {
  if (header === undefined || header === '') return undefined;
  const members: Member[] = [];
  const keys = new Set<string>();
  let count = 0;
  for (const item of header.split(',')) {
    const trimmed = item.replace(/^[ \t]+|[ \t]+$/g, '');
    if (trimmed === '') continue;
    const member = parseMember(trimmed);
    count += 1;
    if (member === undefined || count > MEMBERS_MAX) return undefined;
    // Of a key that comes twice the first is the newer.
    if (keys.has(member.key)) continue;
    keys.add(member.key);
    members.push(member);
  }
  if (members.length === 0) return undefined;
  return cut(members)
    .map(({ text }) => text)
    .join(',');
}
