/**
 * Thin: parse, call, reply.
 */
import type { Reader } from '#blocks/database';
import type { Principal } from '#blocks/identity';
import { handleRoute, type Reply, type Route } from '#blocks/system';
import * as api from './api.ts';
import type { Links, VersionedLink } from './links.ts';
import type { LinkCounts } from './store.ts';

const linkReply = (status: number, { link, version }: VersionedLink): Reply => ({
  status,
  version,
  body: link,
});

const created = (link: VersionedLink): Reply => ({
  ...linkReply(201, link),
  headers: { location: `/v1/links/${link.link.id}` },
});

const shortened = ({ link: { id, code, shortUrl, expiresAt } }: VersionedLink): Reply => ({
  status: 201,
  body: { code, shortUrl, expiresAt },
  headers: { location: `/v1/links/${id}` },
});

export function createRoutes(
  links: Links,
  counts: (...of: [Reader, Principal]) => Promise<LinkCounts>,
): Route[] {
  return [
    handleRoute(api.shorten, ({ body }, context) => links.create(context, body, shortened)),
    handleRoute(api.createLink, ({ body }, context) => links.create(context, body, created)),
    handleRoute(api.listLinks, async ({ query }, context) => ({
      status: 200,
      body: await links.list(context, query),
    })),
    handleRoute(api.countLinks, async (_, { principal, reader }) => ({
      status: 200,
      body: await counts(reader(), principal),
    })),
    handleRoute(api.getLink, async ({ params }, context) =>
      linkReply(200, await links.read(context, params.id)),
    ),
    handleRoute(api.patchLink, ({ params, body, preconditions }, context) =>
      links.change(context, params.id, { fields: body, preconditions }, (link) => linkReply(200, link)),
    ),
    handleRoute(api.deleteLink, ({ params, preconditions }, context) =>
      links.remove(context, params.id, preconditions, { status: 204 }),
    ),
  ];
}
