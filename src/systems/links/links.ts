/**
 * The rules of links: what a valid link is, who wins a code, which version a change applies to.
 */
import type { Clock } from '#base/clock';
import { isLoadstoneError } from '#base/errors';
import { isId, parseId } from '#blocks/ids';
import type { MutationTx } from '#blocks/mutation';
import type { CallContext, Preconditions, Reply } from '#blocks/system';
import type { Link, RedirectStatus } from './api.ts';
import { createCreation } from './creation.ts';
import { type OwnHosts, parseDestination } from './destination.ts';
import { linksErrors } from './errors.ts';
import { linkChanged, linkDeleted, linkEvent, linkExpired } from './events.ts';
import { parseExpiry } from './expiry.ts';
import { expiryJob } from './jobs.ts';
import type { ChangeOutcome, LinkChange, LinksStore, NewLink, StoredLink } from './store.ts';

export interface LinkInput {
  url: string;
  alias?: string;
  ttl?: number;
  expiresAt?: string;
  redirectStatus?: RedirectStatus;
}

export interface LinkPatch {
  url?: string;
  ttl?: number;
  expiresAt?: string | null;
  redirectStatus?: RedirectStatus;
}

/** A link with the version that its `ETag` states. */
export interface VersionedLink {
  link: Link;
  version: number;
}

/** Who calls, and the caller's way to read. */
export type ReadingCall = Pick<CallContext, 'principal' | 'reader'>;

/** Who calls, and the caller's way to write. */
export type MutatingCall = Pick<CallContext, 'principal' | 'mutate' | 'mutateInSet'>;

type ToReply = (link: VersionedLink) => Reply;

export interface Links {
  create(call: MutatingCall, input: LinkInput, toReply: ToReply): Promise<Reply>;
  read(call: ReadingCall, id: string): Promise<VersionedLink>;
  list(
    call: ReadingCall,
    page: { limit: number; cursor: string | undefined },
  ): Promise<{ items: Link[]; nextCursor: string | null }>;
  change(
    call: MutatingCall,
    id: string,
    patch: { fields: LinkPatch; preconditions: Preconditions },
    toReply: ToReply,
  ): Promise<Reply>;
  remove(call: MutatingCall, id: string, preconditions: Preconditions, reply: Reply): Promise<Reply>;
  /** Marks a link whose time has come, if it still has this expiry, and tells of it. */
  expire(tx: MutationTx, workspaceId: string, linkId: string, expiresAt: Date): Promise<void>;
  /** The same for those of the links whose time has come, whatever their jobs have done; gives how many. */
  expireDue(tx: MutationTx, workspaceId: string, linkIds: readonly string[]): Promise<number>;
}

export interface LinksDeps {
  clock: Clock;
  store: LinksStore;
  nextId: (bucket: number) => string;
  nextCode: () => Promise<string>;
  own: OwnHosts;
  publicUrl: string;
  /** Called after a code's redirect has changed. */
  changed: (code: string) => void;
}

const DEFAULT_REDIRECT_STATUS: RedirectStatus = 302;

function encodeCursor(id: string): string {
  return Buffer.from(`1:${id}`).toString('base64url');
}

function decodeCursor(cursor: string): string {
  const id = /^1:(\d+)$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'))?.[1];
  if (id === undefined || !isId(id) || encodeCursor(id) !== cursor) {
    throw linksErrors.cursor_invalid({
      errors: [{ pointer: '?cursor', detail: 'is not a nextCursor that this list gave' }],
    });
  }
  return id;
}

export function createLinks(deps: LinksDeps): Links {
  const { clock, store, own, publicUrl } = deps;

  function present(stored: StoredLink): VersionedLink {
    const link: Link = {
      id: stored.linkId,
      code: stored.code,
      shortUrl: `${publicUrl}/${stored.code}`,
      url: stored.url,
      redirectStatus: stored.redirectStatus,
      expiresAt: stored.expiresAt?.toISOString() ?? null,
      createdAt: stored.createdAt.toISOString(),
      updatedAt: stored.updatedAt.toISOString(),
    };
    return { link, version: stored.version };
  }

  function parseInput(input: LinkInput): Omit<NewLink, 'code'> {
    const nowMs = clock.nowMs();
    return {
      url: parseDestination(input.url, own),
      redirectStatus: input.redirectStatus ?? DEFAULT_REDIRECT_STATUS,
      expiresAtMs: parseExpiry(input, nowMs),
      nowMs,
    };
  }

  function parsePatch(patch: LinkPatch, nowMs: number): LinkChange {
    const change: LinkChange = {};
    if (patch.url !== undefined) change.url = parseDestination(patch.url, own);
    if (patch.redirectStatus !== undefined) change.redirectStatus = patch.redirectStatus;
    if (patch.expiresAt === null && patch.ttl === undefined) change.expiresAtMs = null;
    else if (patch.expiresAt !== undefined || patch.ttl !== undefined)
      change.expiresAtMs = parseExpiry(patch, nowMs);
    return change;
  }

  function scheduleExpiry(
    tx: MutationTx,
    link: Pick<StoredLink, 'linkId' | 'expiresAt'>,
    onDuplicate: 'replace' | 'reject',
  ): void {
    const job = expiryJob(link, onDuplicate);
    if (job) tx.enqueue(job);
  }

  function settle(
    tx: MutationTx,
    id: string,
    event: typeof linkChanged | typeof linkDeleted,
    outcome: ChangeOutcome,
  ): StoredLink {
    if (outcome.kind === 'missing') throw linksErrors.link_not_found({ detail: `no link has the id ${id}` });
    if (outcome.kind === 'other_version')
      throw linksErrors.link_changed({ detail: `link ${id} has another ETag now` });
    tx.publish(linkEvent(event, outcome.link, outcome));
    return outcome.link;
  }

  const creation = createCreation({ ...deps, parseInput });

  /** Mutates one link, and sees to it that its redirect is not answered from memory any more. */
  async function mutateLink(
    { mutate }: MutatingCall,
    id: string,
    rule: (tx: MutationTx) => Promise<{ link: StoredLink; reply: Reply }>,
  ): Promise<Reply> {
    let code = '';
    try {
      const reply = await mutate({ bucket: parseId(id).bucket }, async (tx) => {
        const changed = await rule(tx);
        code = changed.link.code;
        return changed.reply;
      });
      deps.changed(code);
      return reply;
    } catch (error) {
      // After a broken commit or a missed deadline the change may have taken place all the same; a refusal undoes it, and
      // before the rule has given a link nothing was sent that could be committed.
      const isUnsure = !isLoadstoneError(error) || error.status >= 500;
      if (code !== '' && isUnsure) deps.changed(code);
      throw error;
    }
  }

  function requireId(id: string): string {
    if (!isId(id)) throw linksErrors.link_not_found({ detail: 'no link has this id' });
    return id;
  }

  return {
    async create({ principal, mutateInSet }, input, toReply) {
      const code = input.alias ?? (await deps.nextCode());
      const asked = { input, code, createdBy: principal.keyId };
      return mutateInSet({ shardKey: code }, creation, asked, (stored) => toReply(present(stored)));
    },

    async read({ principal, reader }, id) {
      const stored = await store.find(reader(), principal, requireId(id));
      if (!stored) throw linksErrors.link_not_found({ detail: `no link has the id ${id}` });
      return present(stored);
    },

    async list({ principal, reader }, { limit, cursor }) {
      const before = cursor === undefined ? undefined : decodeCursor(cursor);
      const stored = await store.list(reader(), principal, before, limit + 1);
      const page = stored.slice(0, limit);
      const last = page.at(-1);
      return {
        items: page.map((row) => present(row).link),
        nextCursor: stored.length > limit && last ? encodeCursor(last.linkId) : null,
      };
    },

    async change(call, id, { fields, preconditions }, toReply) {
      return mutateLink(call, requireId(id), async (tx) => {
        const nowMs = clock.nowMs();
        const change = parsePatch(fields, nowMs);
        const outcome = await store.change(tx, call.principal, id, change, { preconditions, nowMs });
        const link = settle(tx, id, linkChanged, outcome);
        if (change.expiresAtMs !== undefined) scheduleExpiry(tx, link, 'replace');
        return { link, reply: toReply(present(link)) };
      });
    },

    async remove(call, id, preconditions, reply) {
      return mutateLink(call, requireId(id), async (tx) => {
        const outcome = await store.remove(tx, call.principal, id, { preconditions, nowMs: clock.nowMs() });
        return { link: settle(tx, id, linkDeleted, outcome), reply };
      });
    },

    async expire(tx, workspaceId, linkId, expiresAt) {
      if (expiresAt.getTime() > clock.nowMs()) {
        // Retried by hand, by a clock that is ahead, or further off than a job can be scheduled.
        scheduleExpiry(tx, { linkId, expiresAt }, 'replace');
        return;
      }
      const link = await store.expire(tx, workspaceId, linkId, expiresAt);
      if (link) tx.publish(linkEvent(linkExpired, link, { was: 'live', is: 'expired' }));
    },

    async expireDue(tx, workspaceId, linkIds) {
      const expired = await store.expireDue(tx, workspaceId, linkIds, clock.nowMs());
      for (const link of expired) tx.publish(linkEvent(linkExpired, link, { was: 'live', is: 'expired' }));
      return expired.length;
    },
  };
}
