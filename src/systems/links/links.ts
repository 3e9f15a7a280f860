/**
 * The rules of links: what a valid link is, who wins a code, which version a change applies to.
 */
import type { Clock } from '#base/clock';
import type { Principal } from '#blocks/identity';
import { isId } from '#blocks/ids';
import { isReserved, parseAlias } from './alias.ts';
import type { Link, RedirectStatus } from './api.ts';
import { type OwnHosts, parseDestination } from './destination.ts';
import { linksErrors } from './errors.ts';
import { parseExpiry } from './expiry.ts';
import type { ChangeOutcome, LinkChange, LinksStore, StoredLink } from './store.ts';

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

export interface Links {
  create(principal: Principal, input: LinkInput, signal: AbortSignal): Promise<VersionedLink>;
  read(principal: Principal, id: string, signal: AbortSignal): Promise<VersionedLink>;
  list(
    principal: Principal,
    page: { limit: number; cursor: string | undefined },
    signal: AbortSignal,
  ): Promise<{ items: Link[]; nextCursor: string | null }>;
  change(
    principal: Principal,
    id: string,
    patch: LinkPatch,
    ifVersion: number | undefined,
    signal: AbortSignal,
  ): Promise<VersionedLink>;
  remove(principal: Principal, id: string, ifVersion: number | undefined, signal: AbortSignal): Promise<void>;
}

export interface LinksDeps {
  clock: Clock;
  store: LinksStore;
  nextCode: () => Promise<string>;
  own: OwnHosts;
  publicUrl: string;
  /** Called after a code's redirect has changed. */
  changed: (code: string) => void;
  /** Called when a change failed in a way that leaves open whether it took place. */
  unsure: () => void;
}

const DEFAULT_REDIRECT_STATUS: RedirectStatus = 302;

/** A generated code may meet an alias or a reserved word: then the next is taken. Ten in a row mean a defect. */
const CODE_TRIES_MAX = 10;

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

  async function insertGenerated(
    principal: Principal,
    link: Omit<Parameters<LinksStore['insert']>[1], 'code'>,
    signal: AbortSignal,
  ) {
    for (let tries = 0; tries < CODE_TRIES_MAX; tries++) {
      const code = await deps.nextCode();
      const stored = isReserved(code) ? undefined : await store.insert(principal, { ...link, code }, signal);
      if (stored) return stored;
    }
    throw linksErrors.codes_exhausted({ detail: `${CODE_TRIES_MAX} codes in a row were taken` });
  }

  async function insertAlias(
    principal: Principal,
    link: Parameters<LinksStore['insert']>[1],
    signal: AbortSignal,
  ) {
    const stored = await store.insert(principal, link, signal);
    if (stored) return stored;
    throw linksErrors.alias_taken({ errors: [{ pointer: '/alias', detail: `${link.code} is taken` }] });
  }

  function settle(id: string, outcome: ChangeOutcome): VersionedLink {
    if (outcome.kind === 'missing') throw linksErrors.link_not_found({ detail: `no link has the id ${id}` });
    if (outcome.kind === 'other_version')
      throw linksErrors.link_changed({ detail: `link ${id} has another ETag now` });
    deps.changed(outcome.link.code);
    return present(outcome.link);
  }

  /** After a broken commit or a missed deadline the change may have taken place all the same. */
  async function watch(changing: Promise<ChangeOutcome>): Promise<ChangeOutcome> {
    try {
      return await changing;
    } catch (error) {
      deps.unsure();
      throw error;
    }
  }

  function requireId(id: string): string {
    if (!isId(id)) throw linksErrors.link_not_found({ detail: 'no link has this id' });
    return id;
  }

  return {
    async create(principal, input, signal) {
      const nowMs = clock.nowMs();
      const link = {
        url: parseDestination(input.url, own),
        redirectStatus: input.redirectStatus ?? DEFAULT_REDIRECT_STATUS,
        expiresAtMs: parseExpiry(input, nowMs),
        nowMs,
      };
      if (input.alias === undefined) return present(await insertGenerated(principal, link, signal));
      return present(await insertAlias(principal, { ...link, code: parseAlias(input.alias) }, signal));
    },

    async read(principal, id, signal) {
      const stored = await store.find(principal, requireId(id), signal);
      if (!stored) throw linksErrors.link_not_found({ detail: `no link has the id ${id}` });
      return present(stored);
    },

    async list(principal, { limit, cursor }, signal) {
      const before = cursor === undefined ? undefined : decodeCursor(cursor);
      const stored = await store.list(principal, before, limit + 1, signal);
      const page = stored.slice(0, limit);
      const last = page.at(-1);
      return {
        items: page.map((row) => present(row).link),
        nextCursor: stored.length > limit && last ? encodeCursor(last.linkId) : null,
      };
    },

    async change(principal, id, patch, ifVersion, signal) {
      const nowMs = clock.nowMs();
      const change: LinkChange = {};
      if (patch.url !== undefined) change.url = parseDestination(patch.url, own);
      if (patch.redirectStatus !== undefined) change.redirectStatus = patch.redirectStatus;
      if (patch.expiresAt === null && patch.ttl === undefined) change.expiresAtMs = null;
      else if (patch.expiresAt !== undefined || patch.ttl !== undefined)
        change.expiresAtMs = parseExpiry(patch, nowMs);
      const changing = store.change(principal, requireId(id), change, ifVersion, nowMs, signal);
      return settle(id, await watch(changing));
    },

    async remove(principal, id, ifVersion, signal) {
      settle(id, await watch(store.remove(principal, requireId(id), ifVersion, clock.nowMs(), signal)));
    },
  };
}
