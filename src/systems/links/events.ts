/**
 * What links tells on its stream, `links`: one event for each change, with the link as it is after it.
 */
import Type, { type Static } from 'typebox';
import { toTime } from '#base/values/time';
import { defineEvent, type NewEvent } from '#blocks/stream';
import type { StoredLink } from './store.ts';

export const LINKS_STREAM = 'links';

const LinkState = Type.Union([Type.Literal('live'), Type.Literal('expired'), Type.Literal('deleted')]);
/**
 * States of a link:  live ──its time comes──▶ expired ──another expiry is set──▶ live
 *                     └──────deleted──────────────┴──deleted──▶ deleted
 */
export type LinkState = Static<typeof LinkState>;

/** `was` is null for a link that is new; times are RFC 3339 in UTC. */
const LinkChanged = Type.Object({
  linkId: Type.String(),
  code: Type.String(),
  url: Type.String(),
  redirectStatus: Type.Integer(),
  expiresAt: Type.Union([Type.String(), Type.Null()]),
  updatedAt: Type.String(),
  version: Type.Integer(),
  was: Type.Union([LinkState, Type.Null()]),
  is: LinkState,
});
/** The payload of each of the events. */
export type LinkEvent = Static<typeof LinkChanged>;

/** A link's events stay in order. */
const ofLink = { stream: LINKS_STREAM, key: ({ linkId }: LinkEvent) => linkId };

export const linkCreated = defineEvent('link.created', LinkChanged, ofLink);
export const linkChanged = defineEvent('link.changed', LinkChanged, ofLink);
export const linkExpired = defineEvent('link.expired', LinkChanged, ofLink);
export const linkDeleted = defineEvent('link.deleted', LinkChanged, ofLink);

/** All that the stream tells. */
export const linkEvents = [linkCreated, linkChanged, linkExpired, linkDeleted] as const;

/** The event of one change. */
export function linkEvent(
  definition: (typeof linkEvents)[number],
  link: StoredLink,
  { was, is }: Pick<LinkEvent, 'was' | 'is'>,
): NewEvent {
  const { linkId, code, url, redirectStatus, expiresAt, updatedAt, version } = link;
  return definition.of({
    ...{ linkId, code, url, redirectStatus, version, was, is },
    expiresAt: toTime(expiresAt),
    updatedAt: toTime(updatedAt),
  });
}
