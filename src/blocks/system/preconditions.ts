/**
 * `If-Match` and `If-None-Match` (RFC 9110, 13.1.1 and 13.1.2), for whatever has a version that its `ETag` states. All tags
 * that are given here are strong, `"7"` for version 7. What a caller sends back may be weak, since caches and proxies that
 * compress make them so: that is equal by the weak comparison, which `If-None-Match` takes, and never by the strong one.
 */
import Type from 'typebox';
import { systemErrors } from './errors.ts';

/** An entity tag (8.8.3). */
export interface EntityTag {
  isWeak: boolean;
  /** What is between the quotes. */
  opaque: string;
}

/** `any` is `*`. */
export type EntityTags = 'any' | readonly EntityTag[];

/** What a request's preconditions say of the version that there is. */
export interface Preconditions {
  /** Only one of these; `undefined` for any. A list may be empty: then none will do. */
  only: readonly number[] | undefined;
  /** None of these. */
  not: readonly number[] | 'any';
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** Sticky: a tag, or `*`; the letters of a tag are those of 8.8.3, so a comma or a space in it is its own. */
const ITEM = /(?:(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"|(\*))/y;
const SEPARATOR = /[ \t]*(?:,[ \t]*)*/y;
/** As `entityTag` writes it. Others are tags of something else, and equal none. */
const VERSION = /^(0|[1-9]\d{0,8})$/;

/** What a route with a precondition takes, for the reference. */
export const preconditionHeaders = {
  'If-Match': Type.String({
    description: '`ETag`s of the versions that are meant, or `*`: any other is left as it is (412).',
  }),
  'If-None-Match': Type.String({
    description: '`ETag`s of versions that are not meant: a read answers 304 for these, anything else 412.',
  }),
};

/** For `replyHeaders` of a route whose replies have a `version` although it takes no precondition, such as one that creates. */
export const versionHeader = { ETag: Type.String({ description: 'Its version, for `If-Match`.' }) };

export const NO_PRECONDITIONS: Preconditions = { only: undefined, not: [] };

function malformed(name: string): Error {
  return systemErrors.precondition_malformed({
    detail: `${name} must be * or entity tags in quotes, separated by commas`,
  });
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/**
 * The tags of one header.
 * @param name of the header, for the message
 * @param header one line, or several, which are one list
 * @throws precondition_malformed
 */
export function parseEntityTags(name: string, header: string | readonly string[]): EntityTags {
  const text = [header].flat().join(',');
  const tags: EntityTag[] = [];
  let isAny = false;
  let count = 0;
  for (let at = matchAt(SEPARATOR, text, 0)?.[0].length ?? 0; at < text.length; ) {
    const item = matchAt(ITEM, text, at);
    if (item === null) throw malformed(name);
    const [whole, weak, opaque, star] = item;
    at += whole.length;
    const separator = matchAt(SEPARATOR, text, at)?.[0] ?? '';
    at += separator.length;
    if (at < text.length && !separator.includes(',')) throw malformed(name);
    count += 1;
    if (star === undefined) tags.push({ isWeak: weak !== undefined, opaque: opaque ?? '' });
    else isAny = true;
  }
  if (isAny && count > 1) throw malformed(name);
  return isAny ? 'any' : tags;
}

function versionsOf(tags: readonly EntityTag[]): number[] {
  const versions = tags.map(({ opaque }) => opaque).filter((opaque) => VERSION.test(opaque));
  return [...new Set(versions.map(Number))];
}

/** The `ETag` of a version. */
export function entityTag(version: number): string {
  return `"${version}"`;
}

/**
 * What a request asks of the version there is. A list without a tag asks as much as it says: `If-Match` for none of all.
 * @param headers by lower-case name
 * @throws precondition_malformed
 */
export function parsePreconditions(headers: Headers): Preconditions {
  const match = headers['if-match'];
  const noneMatch = headers['if-none-match'];
  if (match === undefined && noneMatch === undefined) return NO_PRECONDITIONS;
  const wanted = match === undefined ? 'any' : parseEntityTags('If-Match', match);
  const unwanted = noneMatch === undefined ? [] : parseEntityTags('If-None-Match', noneMatch);
  return {
    only: wanted === 'any' ? undefined : versionsOf(wanted.filter(({ isWeak }) => !isWeak)),
    not: unwanted === 'any' ? 'any' : versionsOf(unwanted),
  };
}

/**
 * What they come to for a version (13.2.2): `go`; `changed`, 412; `same`, 304 for a read and 412 for anything else.
 */
export function evaluate({ only, not }: Preconditions, version: number): 'go' | 'changed' | 'same' {
  if (only !== undefined && !only.includes(version)) return 'changed';
  return not === 'any' || not.includes(version) ? 'same' : 'go';
}

/** @throws precondition_failed */
export function requireVersion(preconditions: Preconditions, version: number): void {
  if (evaluate(preconditions, version) !== 'go') {
    throw systemErrors.precondition_failed({ detail: `its ETag is ${entityTag(version)} now` });
  }
}
