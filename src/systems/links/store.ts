/**
 * All SQL of the links system. Calls take the workspace, and every statement is scoped by it, except the look-up of
 * a redirect, which knows only the code.
 */

import { type Database, numbers, type Queryable, type Sql, sql, texts, times } from '#blocks/database';
import type { Principal } from '#blocks/identity';
import type { MutationTx } from '#blocks/mutation';
import { type Keyed, type Keyset, listOrder, type Preconditions } from '#blocks/system';
import type { RedirectStatus } from './api.ts';
import type { LinkState } from './events.ts';

/** The default domain, served under the server's public address. */
export const DEFAULT_DOMAIN = '';

export interface StoredLink {
  linkId: string;
  code: string;
  url: string;
  redirectStatus: RedirectStatus;
  expiresAt: Date | null;
  createdAt: Date;
  updatedAt: Date;
  version: number;
}

export interface NewLink {
  code: string;
  url: string;
  redirectStatus: RedirectStatus;
  expiresAtMs: number | null;
  nowMs: number;
}

/** A new link with its name and place. */
export interface PlacedLink extends NewLink {
  workspaceId: string;
  bucket: number;
  linkId: string;
  createdBy: string;
}

/** What is to change; an absent field stays. */
export interface LinkChange {
  url?: string;
  redirectStatus?: RedirectStatus;
  expiresAtMs?: number | null;
}

export type ChangeOutcome =
  | { kind: 'changed'; link: StoredLink; was: LinkState; is: LinkState }
  | { kind: 'missing' }
  | { kind: 'other_version' };

/** What a redirect needs to know of a code. */
export interface Target {
  code: string;
  url: string;
  redirectStatus: RedirectStatus;
  expiresAtMs: number | null;
  deleted: boolean;
}

const columns: Sql = sql`link_id as "linkId", code, url, redirect_status as "redirectStatus",
  expires_at as "expiresAt", created_at as "createdAt", updated_at as "updatedAt", version`;

/** Ids are ordered by time. */
export const newestFirst = listOrder('links', 'desc', [{ column: sql`link_id`, type: 'bigint' }]);

const toDate = (ms: number | null): Date | null => (ms === null ? null : new Date(ms));

/** A link past its expiry that has not been told of. */
export interface DueLink {
  workspaceId: string;
  bucket: number;
  linkId: string;
}

/** Links of a workspace by their state. */
export interface LinkCounts {
  live: number;
  expired: number;
}

export interface LinksStore {
  /** Gives each link its code unless that is taken. @returns the ids of those that have got it */
  claimCodes(tx: Queryable, links: readonly PlacedLink[]): Promise<string[]>;
  insertEach(tx: Queryable, links: readonly PlacedLink[]): Promise<number>;
  find(reader: Queryable, principal: Principal, linkId: string): Promise<StoredLink | undefined>;
  /** Living links. */
  list(reader: Queryable, principal: Principal, keyset: Keyset): Promise<Keyed<StoredLink>[]>;
  /** As they have been told, but for links whose time has come since: a redirect goes by the clock, and so does this. */
  counts(reader: Queryable, principal: Principal, nowMs: number): Promise<LinkCounts>;
  change(
    tx: MutationTx,
    principal: Principal,
    linkId: string,
    change: LinkChange,
    asked: { preconditions: Preconditions; nowMs: number },
  ): Promise<ChangeOutcome>;
  /** The change's link is the one deleted. */
  remove(
    tx: MutationTx,
    principal: Principal,
    linkId: string,
    asked: { preconditions: Preconditions; nowMs: number },
  ): Promise<ChangeOutcome>;
  /** Marks a live link that has this very expiry; undefined when there is none. */
  expire(
    tx: MutationTx,
    workspaceId: string,
    linkId: string,
    expiresAt: Date,
  ): Promise<StoredLink | undefined>;
  /** Up to `count` links whose expiry was before `beforeMs` and has not been told of, of all workspaces. */
  due(beforeMs: number, count: number, signal: AbortSignal): Promise<DueLink[]>;
  /** Marks those of the links that are live and past their expiry, and that nobody else is changing. */
  expireDue(
    tx: MutationTx,
    workspaceId: string,
    linkIds: readonly string[],
    nowMs: number,
  ): Promise<StoredLink[]>;
  /** From the primary: what is looked up is remembered, and a link just made must redirect. */
  targets(codes: readonly string[], signal: AbortSignal): Promise<Target[]>;
}

export function createLinksStore({
  database,
}: {
  database: Pick<Database, 'reader' | 'anonymous'>;
}): LinksStore {
  /**
   * Carries out `assignments` on the link, and tells a missing one from one of another version. The row is locked before
   * its state is read, so that the state it leaves is the one that the change before has made.
   */
  async function update(
    tx: MutationTx,
    principal: Principal,
    linkId: string,
    { preconditions, assignments, is }: { preconditions: Preconditions; assignments: Sql; is: Sql },
  ): Promise<ChangeOutcome> {
    const { only, not } = preconditions;
    // No version is in an empty list.
    const wanted = not === 'any' ? [] : (only ?? null);
    const unwanted = not === 'any' ? [] : not;
    const row = await tx.first(sql<StoredLink & { was: LinkState | null; is: LinkState }>`
      with found as (
        select link_id, expired_at is not null as has_expired from links.links
        where workspace_id = ${principal.workspaceId} and link_id = ${linkId} and deleted_at is null
        for update
      ), changed as (
        update links.links set ${assignments}, version = version + 1
        where workspace_id = ${principal.workspaceId} and link_id = (select link_id from found)
          and version = any(coalesce(${wanted}::integer[], array[version])) and version <> all(${unwanted}::integer[])
        returning ${columns}, ${is} as "is"
      )
      select case when found.has_expired then 'expired' when not found.has_expired then 'live' end as was, changed.*
      from (select) as one left join found on true left join changed on true`);
    if (!row?.was) return { kind: 'missing' };
    const { was, is: state, ...link } = row;
    return link.linkId === null ? { kind: 'other_version' } : { kind: 'changed', link, was, is: state };
  }

  return {
    async claimCodes(tx, links) {
      const column = <K extends keyof PlacedLink>(name: K) => links.map((link) => link[name]);
      const rows = await tx.rows<{ linkId: string }>(sql`
        insert into links.codes (domain, code, workspace_id, bucket, link_id)
        select ${DEFAULT_DOMAIN}, code, workspace_id, bucket, link_id
        from unnest(${texts(column('code'))}::text[], ${numbers(column('workspaceId'))}::bigint[],
          ${numbers(column('bucket'))}::smallint[], ${numbers(column('linkId'))}::bigint[])
          as wanted (code, workspace_id, bucket, link_id)
        order by code, link_id
        on conflict (domain, code) do nothing
        returning link_id as "linkId"`);
      return rows.map(({ linkId }) => linkId);
    },

    insertEach(tx, links) {
      const column = <K extends keyof PlacedLink>(name: K) => links.map((link) => link[name]);
      const created = times(column('nowMs'));
      return tx.run(sql`
        insert into links.links (workspace_id, bucket, link_id, domain, code, url, redirect_status, expires_at,
          created_by, created_at, updated_at)
        select workspace_id, bucket, link_id, ${DEFAULT_DOMAIN}, code, url, redirect_status, expires_at, created_by,
          created_at, created_at
        from unnest(${numbers(column('workspaceId'))}::bigint[], ${numbers(column('bucket'))}::smallint[],
          ${numbers(column('linkId'))}::bigint[], ${texts(column('code'))}::text[], ${texts(column('url'))}::text[],
          ${numbers(column('redirectStatus'))}::smallint[], ${times(column('expiresAtMs'))}::timestamptz[],
          ${texts(column('createdBy'))}::text[], ${created}::timestamptz[])
          as link (workspace_id, bucket, link_id, code, url, redirect_status, expires_at, created_by, created_at)`);
    },

    find(reader, principal, linkId) {
      return reader.first(sql<StoredLink>`
        select ${columns} from links.links
        where workspace_id = ${principal.workspaceId} and link_id = ${linkId} and deleted_at is null`);
    },

    list(reader, principal, { keys, after, orderAndLimit }) {
      return reader.rows(sql<Keyed<StoredLink>>`
        select ${columns}, ${keys} from links.links
        where workspace_id = ${principal.workspaceId} and deleted_at is null and ${after} ${orderAndLimit}`);
    },

    async counts(reader, principal, nowMs) {
      const row = await reader.first(sql<LinkCounts & { due: number }>`
        select coalesce(sum(live), 0)::float8 as live, coalesce(sum(expired), 0)::float8 as expired,
          (select count(*)::float8 from links.links
            where workspace_id = ${principal.workspaceId} and expired_at is null and deleted_at is null
              and expires_at <= ${new Date(nowMs)}) as due
        from links.counts where workspace_id = ${principal.workspaceId}`);
      const { live, expired, due } = row ?? { live: 0, expired: 0, due: 0 };
      // The log may be behind: of a link that it has not told of at all, nothing is taken away.
      const moved = Math.min(live, due);
      return { live: live - moved, expired: expired + moved };
    },

    change(tx, principal, linkId, change, { preconditions, nowMs }) {
      const keepsExpiry = change.expiresAtMs === undefined;
      const assignments = sql`
        url = coalesce(${change.url ?? null}, url),
        redirect_status = coalesce(${change.redirectStatus ?? null}::smallint, redirect_status),
        expires_at = case when ${keepsExpiry} then expires_at else ${toDate(change.expiresAtMs ?? null)}::timestamptz end,
        expired_at = case when ${keepsExpiry} then expired_at end,
        updated_at = ${new Date(nowMs)}::timestamptz`;
      const is = sql`case when expired_at is null then 'live' else 'expired' end`;
      return update(tx, principal, linkId, { preconditions, assignments, is });
    },

    remove(tx, principal, linkId, { preconditions, nowMs }) {
      const now = new Date(nowMs);
      const assignments = sql`deleted_at = ${now}::timestamptz, updated_at = ${now}::timestamptz`;
      return update(tx, principal, linkId, { preconditions, assignments, is: sql`'deleted'` });
    },

    expire(tx, workspaceId, linkId, expiresAt) {
      return tx.first(sql<StoredLink>`
        update links.links set expired_at = expires_at
        where workspace_id = ${workspaceId} and link_id = ${linkId} and deleted_at is null
          and expired_at is null and expires_at = ${expiresAt}
        returning ${columns}`);
    },

    due(beforeMs, count, signal) {
      const reader = database.reader({ consistency: 'strong', role: 'system', signal });
      return reader.rows(sql<DueLink>`
        select workspace_id as "workspaceId", bucket, link_id as "linkId" from links.links
        where expired_at is null and deleted_at is null and expires_at <= ${new Date(beforeMs)}
        order by expires_at limit ${count}`);
    },

    expireDue(tx, workspaceId, linkIds, nowMs) {
      return tx.rows(sql<StoredLink>`
        with due as (
          select link_id from links.links
          where workspace_id = ${workspaceId} and link_id = any(${linkIds}::bigint[]) and deleted_at is null
            and expired_at is null and expires_at <= ${new Date(nowMs)}
          for update skip locked
        )
        update links.links set expired_at = expires_at
        where workspace_id = ${workspaceId} and link_id in (select link_id from due)
        returning ${columns}`);
    },

    async targets(codes, signal) {
      const rows = await database
        .anonymous(signal)
        .rows(sql<Omit<Target, 'expiresAtMs'> & { expiresAt: Date | null }>`
        select c.code, l.url, l.redirect_status as "redirectStatus", l.expires_at as "expiresAt",
          l.deleted_at is not null as deleted
        from links.codes c
        join links.links l on l.workspace_id = c.workspace_id and l.link_id = c.link_id
        where c.domain = ${DEFAULT_DOMAIN} and c.code = any(${codes})`);
      return rows.map(({ expiresAt, ...target }) => ({
        ...target,
        expiresAtMs: expiresAt?.getTime() ?? null,
      }));
    },
  };
}
