/**
 * All SQL of the links system. Calls take the workspace, and every statement is scoped by it, except the look-up of
 * a redirect, which knows only the code.
 */

import { type Database, type Queryable, type Sql, sql } from '#blocks/database';
import type { Principal } from '#blocks/identity';
import { parseId } from '#blocks/ids';
import type { RedirectStatus } from './api.ts';

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

/** What is to change; an absent field stays. */
export interface LinkChange {
  url?: string;
  redirectStatus?: RedirectStatus;
  expiresAtMs?: number | null;
}

export type ChangeOutcome =
  | { kind: 'changed'; link: StoredLink }
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

const toDate = (ms: number | null): Date | null => (ms === null ? null : new Date(ms));

export interface LinksStore {
  /** Undefined when the code is taken. */
  insert(principal: Principal, link: NewLink, signal: AbortSignal): Promise<StoredLink | undefined>;
  find(principal: Principal, linkId: string, signal: AbortSignal): Promise<StoredLink | undefined>;
  /** Up to `count` living links with ids below `beforeId`, newest first. */
  list(
    principal: Principal,
    beforeId: string | undefined,
    count: number,
    signal: AbortSignal,
  ): Promise<StoredLink[]>;
  change(
    principal: Principal,
    linkId: string,
    change: LinkChange,
    ifVersion: number | undefined,
    nowMs: number,
    signal: AbortSignal,
  ): Promise<ChangeOutcome>;
  /** The change's link is the one deleted. */
  remove(
    principal: Principal,
    linkId: string,
    ifVersion: number | undefined,
    nowMs: number,
    signal: AbortSignal,
  ): Promise<ChangeOutcome>;
  targets(codes: readonly string[], signal: AbortSignal): Promise<Target[]>;
}

export function createLinksStore(deps: {
  database: Database;
  nextId: (bucket: number) => string;
}): LinksStore {
  const { database } = deps;

  function reader(signal: AbortSignal): Queryable {
    return database.reader({ consistency: 'strong', signal });
  }

  /** Runs `update`, which returns the changed row, and tells a missing link from one of another version. */
  async function update(
    principal: Principal,
    linkId: string,
    changed: Sql,
    signal: AbortSignal,
  ): Promise<ChangeOutcome> {
    const query = sql<StoredLink & { found: boolean }>`
      with found as (
        select from links.links
        where workspace_id = ${principal.workspaceId} and link_id = ${linkId} and deleted_at is null
      ), changed as (${changed} returning ${columns})
      select exists (select from found) as found, changed.* from (select) as one left join changed on true`;
    const { workspaceId } = principal;
    const { bucket } = parseId(linkId);
    const row = await database.transact({ system: 'links', workspaceId, bucket }, { signal }, (tx) =>
      tx.first(query),
    );
    if (!row?.found) return { kind: 'missing' };
    const { found: _, ...link } = row;
    return link.linkId === null ? { kind: 'other_version' } : { kind: 'changed', link };
  }

  function matching(principal: Principal, linkId: string, ifVersion: number | undefined): Sql {
    return sql`workspace_id = ${principal.workspaceId} and link_id = ${linkId} and deleted_at is null
      and version = coalesce(${ifVersion ?? null}::integer, version)`;
  }

  return {
    insert(principal, link, signal) {
      const { workspaceId, keyId } = principal;
      const now = new Date(link.nowMs);
      return database.transact({ system: 'links', workspaceId, shardKey: link.code }, { signal }, (tx) => {
        const linkId = deps.nextId(tx.bucket);
        return tx.first(sql<StoredLink>`
          with named as (
            insert into links.codes (domain, code, workspace_id, bucket, link_id)
            values (${DEFAULT_DOMAIN}, ${link.code}, ${workspaceId}, ${tx.bucket}, ${linkId})
            on conflict (domain, code) do nothing
            returning domain, code, workspace_id, bucket, link_id
          )
          insert into links.links (workspace_id, bucket, link_id, domain, code, url, redirect_status, expires_at,
            created_by, created_at, updated_at)
          select workspace_id, bucket, link_id, domain, code, ${link.url}, ${link.redirectStatus}::smallint,
            ${toDate(link.expiresAtMs)}::timestamptz, ${keyId}, ${now}::timestamptz, ${now}::timestamptz
          from named
          returning ${columns}`);
      });
    },

    find(principal, linkId, signal) {
      return reader(signal).first(sql<StoredLink>`
        select ${columns} from links.links
        where workspace_id = ${principal.workspaceId} and link_id = ${linkId} and deleted_at is null`);
    },

    list(principal, beforeId, count, signal) {
      return reader(signal).rows(sql<StoredLink>`
        select ${columns} from links.links
        where workspace_id = ${principal.workspaceId} and deleted_at is null
          and link_id < ${beforeId ?? '9223372036854775807'}
        order by link_id desc limit ${count}`);
    },

    change(principal, linkId, change, ifVersion, nowMs, signal) {
      const keepsExpiry = change.expiresAtMs === undefined;
      return update(
        principal,
        linkId,
        sql`update links.links set
            url = coalesce(${change.url ?? null}, url),
            redirect_status = coalesce(${change.redirectStatus ?? null}::smallint, redirect_status),
            expires_at = case when ${keepsExpiry} then expires_at else ${toDate(change.expiresAtMs ?? null)}::timestamptz end,
            updated_at = ${new Date(nowMs)}::timestamptz,
            version = version + 1
          where ${matching(principal, linkId, ifVersion)}`,
        signal,
      );
    },

    remove(principal, linkId, ifVersion, nowMs, signal) {
      const now = new Date(nowMs);
      return update(
        principal,
        linkId,
        sql`update links.links set deleted_at = ${now}::timestamptz, updated_at = ${now}::timestamptz,
            version = version + 1
          where ${matching(principal, linkId, ifVersion)}`,
        signal,
      );
    },

    async targets(codes, signal) {
      const reader = database.reader({ consistency: 'eventual', role: 'system', signal });
      const rows = await reader.rows(sql<Omit<Target, 'expiresAtMs'> & { expiresAt: Date | null }>`
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
