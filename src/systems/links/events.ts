/**
 * What links tells on its stream, `links`: one event for each change, with the link as it is after it.
 */
import { toTime } from '#base/time';
import type { NewEvent } from '#blocks/outbox';
import type { StoredLink } from './store.ts';

export const LINKS_STREAM = 'links';

/**
 * States of a link:  live ──its time comes──▶ expired ──another expiry is set──▶ live
 *                     └──────deleted──────────────┴──deleted──▶ deleted
 */
export type LinkState = 'live' | 'expired' | 'deleted';

export type LinkEventType = 'link.created' | 'link.changed' | 'link.expired' | 'link.deleted';

/** The payload of an event; `was` is null for a link that is new. */
export interface LinkEvent {
  linkId: string;
  code: string;
  url: string;
  redirectStatus: number;
  expiresAt: string | null;
  updatedAt: string;
  version: number;
  was: LinkState | null;
  is: LinkState;
}

/** The event of one change; its key is the link, so that a link's events stay in order. */
export function linkEvent(
  type: LinkEventType,
  link: StoredLink,
  { was, is }: Pick<LinkEvent, 'was' | 'is'>,
): NewEvent {
  const { linkId, code, url, redirectStatus, expiresAt, updatedAt, version } = link;
  const payload = {
    ...{ linkId, code, url, redirectStatus, version, was, is },
    expiresAt: toTime(expiresAt),
    updatedAt: toTime(updatedAt),
  };
  return { stream: LINKS_STREAM, type, key: linkId, payload };
}
