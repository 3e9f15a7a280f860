/**
 * All SQL of the links system. Calls take the workspace, and every statement is scoped by it, except the look-up of
 * a redirect, which knows only the code.
 */

import {
  type Database,
  numbers,
  type Queryable,
  type Reader,
  type Sql,
  sql,
  texts,
  times,
} from '#blocks/database';
import type { Principal } from '#blocks/identity';
import type { SetTx } from '#blocks/mutation';
import { type Keyed, type Keyset, listOrder } from '#blocks/system';
import type { RedirectStatus } from './fields/redirect-status.ts';

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

/** A link past its expiry that has not been told of. */
export interface DueLink {
  workspaceId: string;
  linkId: string;
  expiresAt: Date;
}

/** A link whose row is locked, as the calls of a set have left it so far. */
export interface LockedLink extends StoredLink {
  workspaceId: string;
  /** Its expiry has been told of. */
  hasExpired: boolean;
  isDeleted: boolean;
}

/** By `workspaceId linkId`; `elsewhere` when its row is locked by another transaction. Absent when there is none. */
export type FoundLinks = Map<string, LockedLink | 'elsewhere'>;

type LockedRow = { key: string } & (Omit<LockedLink, 'isDeleted'> | { linkId: null });

/** Links of a workspace by their state. */
export interface LinkCounts {
  live: number;
  expired: number;
}

export interface LinksStore {
  /** Gives each link its code unless that is taken. @returns the ids of those that have got it */
  claimCodes(tx: Queryable, links: readonly PlacedLink[]): Promise<string[]>;
  insertEach(tx: Queryable, links: readonly PlacedLink[]): Promise<number>;
  find(reader: Reader, principal: Principal, linkId: string): Promise<StoredLink | undefined>;
  /** Living links. */
  list(reader: Reader, principal: Principal, keyset: Keyset): Promise<Keyed<StoredLink>[]>;
  /** As they have been told, but for links whose time has come since: a redirect goes by the clock, and so does this. */
  counts(reader: Reader, principal: Principal, nowMs: number): Promise<LinkCounts>;
  /** Locks those that there are, in the order of their keys, and gives them as they are behind the lock. */
  lockEach(
    tx: Pick<SetTx, 'rows' | 'lock'>,
    links: readonly { workspaceId: string; linkId: string }[],
  ): Promise<FoundLinks>;
  /** Writes links that are locked as they are given. */
  updateEach(tx: Queryable, links: readonly LockedLink[]): Promise<number>;
  /** Up to `count` links whose expiry was before `beforeMs` and has not been told of, of all workspaces. */
  due(beforeMs: number, count: number, signal: AbortSignal): Promise<DueLink[]>;
  /** From the primary: what is looked up is remembered, and a link just made must redirect. */
  targets(codes: readonly string[], signal: AbortSignal): Promise<Target[]>;
}

export function createLinksStore({
  database,
}: {
  database: Pick<Database, 'reader' | 'anonymous'>;
}): LinksStore {
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

    async lockEach(tx, links) {
      const rows = await tx.rows<LockedRow>(sql`
        with asked as (
          select distinct workspace_id, link_id
          from unnest(${numbers(links.map(({ workspaceId }) => workspaceId))}::bigint[],
            ${numbers(links.map(({ linkId }) => linkId))}::bigint[]) as asked (workspace_id, link_id)
        ), locked as materialized (
          select ${columns}, links.workspace_id as "workspaceId", expired_at is not null as "hasExpired"
          from asked join links.links as links using (workspace_id, link_id)
          where deleted_at is null
          order by links.workspace_id, link_id ${tx.lock}
        )
        select asked.workspace_id || ' ' || asked.link_id as key, locked.*
        from asked left join locked on locked."workspaceId" = asked.workspace_id and locked."linkId" = asked.link_id
        where locked."linkId" is not null or exists (
          select from links.links as there
          where there.workspace_id = asked.workspace_id and there.link_id = asked.link_id and there.deleted_at is null
        )`);
      return new Map(
        rows.map(({ key, ...link }) => [
          key,
          link.linkId === null ? 'elsewhere' : { ...link, isDeleted: false },
        ]),
      );
    },

    updateEach(tx, links) {
      const column = <K extends keyof LockedLink>(name: K) => links.map((link) => link[name]);
      const ms = (dates: readonly (Date | null)[]) => times(dates.map((date) => date?.getTime() ?? null));
      const flags = (values: readonly boolean[]) => texts(values.map(String));
      return tx.run(sql`
        update links.links as links set url = given.url, redirect_status = given.redirect_status,
          expires_at = given.expires_at, updated_at = given.updated_at, version = given.version,
          expired_at = case when given.has_expired then given.expires_at end,
          deleted_at = case when given.is_deleted then given.updated_at end
        from unnest(${numbers(column('workspaceId'))}::bigint[], ${numbers(column('linkId'))}::bigint[],
          ${texts(column('url'))}::text[], ${numbers(column('redirectStatus'))}::smallint[],
          ${ms(column('expiresAt'))}::timestamptz[], ${ms(column('updatedAt'))}::timestamptz[],
          ${numbers(column('version'))}::integer[], ${flags(column('hasExpired'))}::boolean[],
          ${flags(column('isDeleted'))}::boolean[])
          as given (workspace_id, link_id, url, redirect_status, expires_at, updated_at, version, has_expired, is_deleted)
        where links.workspace_id = given.workspace_id and links.link_id = given.link_id`);
    },

    due(beforeMs, count, signal) {
      const reader = database.reader({ consistency: 'strong', role: 'system', signal });
      return reader.rows(sql<DueLink>`
        select workspace_id as "workspaceId", link_id as "linkId", expires_at as "expiresAt" from links.links
        where expired_at is null and deleted_at is null and expires_at <= ${new Date(beforeMs)}
        order by expires_at limit ${count}`);
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
