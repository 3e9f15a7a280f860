/**
 * What becomes of a link once it is there: it is changed, deleted, or its time comes. One rule over many calls, so that
 * the edits of a link have one order, whoever makes them.
 *
 * The rows are locked in one statement; what is decided, is decided in memory, call by call, on the link as the call before
 * has left it. What is left of each link in the end is written in one statement that travels with the commit.
 */
import { isLoadstoneError } from '#base/errors';
import { done, held, refuse, type SetCall, type Verdict } from '#blocks/mutation';
import { requireVersion } from '#blocks/system';
import type { Edit, Edited, Editing, LinkEdit, LinkPatch } from './edit.ts';
import { linksErrors } from './errors.ts';
import {
  type LinkState,
  linkChanged,
  linkDeleted,
  linkEvent,
  type linkEvents,
  linkExpired,
} from './events.ts';
import { expiryJob } from './jobs.ts';
import type { FoundLinks, LinkChange, LinksStore, LockedLink } from './store.ts';

export interface EditingDeps {
  store: Pick<LinksStore, 'lockEach' | 'updateEach'>;
  nowMs: () => number;
  /** @throws destination_invalid, expiry_invalid, … */
  parsePatch: (patch: LinkPatch, nowMs: number) => LinkChange;
}

type Call = SetCall<LinkEdit>;

const keyOf = ({ workspaceId, input: { linkId } }: Call) => `${workspaceId} ${linkId}`;

const stateOf = ({ hasExpired, isDeleted }: LockedLink): LinkState =>
  isDeleted ? 'deleted' : hasExpired ? 'expired' : 'live';

export function createEditing({ store, nowMs, parsePatch }: EditingDeps): Editing {
  /** The link after the edit; itself when that changes nothing. @throws why the edit is refused */
  function apply(link: LockedLink, { input: { edit }, enqueue }: Call): LockedLink {
    const now = nowMs();
    if (edit.kind === 'expire') {
      if (link.hasExpired || link.expiresAt?.getTime() !== edit.expiresAt.getTime()) return link;
      if (edit.expiresAt.getTime() <= now) return { ...link, hasExpired: true };
      // Retried by hand, by a clock that is ahead, or further off than a job can be scheduled.
      const job = expiryJob(link, 'replace');
      if (job) enqueue(job);
      return link;
    }
    const change = edit.kind === 'change' ? parsePatch(edit.fields, now) : undefined;
    requireVersion(edit.preconditions, link.version);
    const next = { ...link, version: link.version + 1, updatedAt: new Date(now) };
    if (!change) return { ...next, isDeleted: true };
    const { expiresAtMs, ...fields } = change;
    if (expiresAtMs === undefined) return { ...next, ...fields };
    const expiresAt = expiresAtMs === null ? null : new Date(expiresAtMs);
    return { ...next, ...fields, expiresAt, hasExpired: false };
  }

  function tell(call: Call, was: LockedLink, is: LockedLink): void {
    const { kind } = call.input.edit;
    call.publish(linkEvent(EVENT_OF[kind], is, { was: stateOf(was), is: stateOf(is) }));
    const job = is.expiresAt !== was.expiresAt && expiryJob(is, 'replace');
    if (job) call.enqueue(job);
  }

  function decideOne(call: Call, found: FoundLinks): Verdict<Edited> {
    const link = found.get(keyOf(call));
    if (link === 'elsewhere') return held;
    try {
      if (link === undefined || link.isDeleted) return refuse(missing(call));
      const edited = apply(link, call);
      const isChanged = edited !== link;
      if (isChanged) {
        found.set(keyOf(call), edited);
        tell(call, link, edited);
      }
      return done({ link: edited, isChanged });
    } catch (error) {
      if (!isLoadstoneError(error)) throw error;
      return refuse(error);
    }
  }

  return {
    name: 'links.edit',
    aggregate: ({ linkId }) => linkId,
    find: (tx, calls) =>
      store.lockEach(
        tx,
        calls.map(({ workspaceId, input: { linkId } }) => ({ workspaceId, linkId })),
      ),
    async decide(tx, calls, found) {
      const before = new Map(found);
      const verdicts = calls.map((call) => decideOne(call, found));
      const changed = [...found].flatMap(([key, link]) =>
        link === 'elsewhere' || link === before.get(key) ? [] : [link],
      );
      if (changed.length > 0) tx.withCommit(store.updateEach(tx, changed));
      return verdicts;
    },
  };
}

const EVENT_OF: Record<Edit['kind'], (typeof linkEvents)[number]> = {
  change: linkChanged,
  delete: linkDeleted,
  expire: linkExpired,
};

function missing({ input: { linkId } }: Call) {
  return linksErrors.link_not_found({ detail: `no link has the id ${linkId}` });
}
