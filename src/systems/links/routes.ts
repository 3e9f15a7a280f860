/**
 * Thin: parse, call, reply.
 */
import type { Queryable } from '#blocks/database';
import type { Principal } from '#blocks/identity';
import { handleRoute, type Reply, type Route } from '#blocks/system';
import * as api from './api.ts';
import { linksErrors } from './errors.ts';
import type { Links, VersionedLink } from './links.ts';
import type { LinkCounts } from './store.ts';

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

const created = (link: VersionedLink): Reply => {
  const reply = linkReply(201, link);
  return { ...reply, headers: { ...reply.headers, location: `/v1/links/${link.link.id}` } };
};

const shortened = ({ link: { id, code, shortUrl, expiresAt } }: VersionedLink): Reply => ({
  status: 201,
  body: { code, shortUrl, expiresAt },
  headers: { location: `/v1/links/${id}` },
});

export function createRoutes(
  links: Links,
  counts: (...of: [Queryable, Principal]) => Promise<LinkCounts>,
): Route[] {
  return [
    handleRoute(api.shorten, ({ body }, context) => links.create(context, body, shortened)),
    handleRoute(api.createLink, ({ body }, context) => links.create(context, body, created)),
    handleRoute(api.listLinks, async ({ query }, context) => {
      const page = { limit: query.limit ?? 20, cursor: query.cursor };
      return { status: 200, body: await links.list(context, page) };
    }),
    handleRoute(api.countLinks, async (_, { principal, reader }) => ({
      status: 200,
      body: await counts(reader(), principal),
    })),
    handleRoute(api.getLink, async ({ params }, context) =>
      linkReply(200, await links.read(context, params.id)),
    ),
    handleRoute(api.patchLink, async ({ params, body, headers }, context) => {
      const patch = { fields: body, ifVersion: ifVersion(headers) };
      return links.change(context, params.id, patch, (link) => linkReply(200, link));
    }),
    handleRoute(api.deleteLink, async ({ params, headers }, context) =>
      links.remove(context, params.id, ifVersion(headers), { status: 204 }),
    ),
  ];
}
