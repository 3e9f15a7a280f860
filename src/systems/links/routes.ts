/**
 * Thin: parse, call, reply.
 */
import { handleRoute, type Reply, type Route } from '#blocks/system';
import * as api from './api.ts';
import { linksErrors } from './errors.ts';
import type { Links, VersionedLink } from './links.ts';

function etag(version: number): string {
  return `"${version}"`;
}

/** The version that `If-Match` asks for; undefined for none or `*` (RFC 9110, 13.1.1). One version: a list is refused. */
function ifVersion(headers: Readonly<Record<string, string | string[] | undefined>>): number | undefined {
  const header = headers['if-match'];
  if (header === undefined || header === '*') return undefined;
  const version = /^"(\d{1,9})"$/.exec(String(header))?.[1];
  if (version === undefined)
    throw linksErrors.link_changed({ detail: 'If-Match names no version of this link' });
  return Number(version);
}

function linkReply(status: number, { link, version }: VersionedLink): Reply {
  return { status, body: link, headers: { etag: etag(version) } };
}

export function createRoutes(links: Links): Route[] {
  return [
    handleRoute(api.shorten, async ({ body }, { principal, signal }) => {
      const { link } = await links.create(principal, body, signal);
      const { code, shortUrl, expiresAt } = link;
      return {
        status: 201,
        body: { code, shortUrl, expiresAt },
        headers: { location: `/v1/links/${link.id}` },
      };
    }),
    handleRoute(api.createLink, async ({ body }, { principal, signal }) => {
      const created = await links.create(principal, body, signal);
      const reply = linkReply(201, created);
      return { ...reply, headers: { ...reply.headers, location: `/v1/links/${created.link.id}` } };
    }),
    handleRoute(api.listLinks, async ({ query }, { principal, signal }) => {
      const page = { limit: query.limit ?? 20, cursor: query.cursor };
      return { status: 200, body: await links.list(principal, page, signal) };
    }),
    handleRoute(api.getLink, async ({ params }, { principal, signal }) =>
      linkReply(200, await links.read(principal, params.id, signal)),
    ),
    handleRoute(api.patchLink, async ({ params, body, headers }, { principal, signal }) =>
      linkReply(200, await links.change(principal, params.id, body, ifVersion(headers), signal)),
    ),
    handleRoute(api.deleteLink, async ({ params, headers }, { principal, signal }) => {
      await links.remove(principal, params.id, ifVersion(headers), signal);
      return { status: 204 };
    }),
  ];
}
