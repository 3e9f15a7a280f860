/**
 * Thin: parse, call, reply.
 */
import type { Reader } from '#blocks/database';
import type { Principal } from '#blocks/identity';
import {
  entityTag,
  evaluate,
  handleRoute,
  type Preconditions,
  parsePreconditions,
  type Reply,
  type Route,
} from '#blocks/system';
import * as api from './api.ts';
import { linksErrors } from './errors.ts';
import type { Links, VersionedLink } from './links.ts';
import type { LinkCounts } from './store.ts';

function linkReply(status: number, { link, version }: VersionedLink): Reply {
  return { status, body: link, headers: { etag: entityTag(version) } };
}

/** What a read answers: the link, or that the caller has it already. */
function readReply(found: VersionedLink, preconditions: Preconditions): Reply {
  const { version, link } = found;
  const outcome = evaluate(preconditions, version);
  if (outcome === 'changed')
    throw linksErrors.link_changed({ detail: `link ${link.id} has another ETag now` });
  if (outcome === 'same') return { status: 304, headers: { etag: entityTag(version) } };
  return linkReply(200, found);
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
  counts: (...of: [Reader, Principal]) => Promise<LinkCounts>,
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
    handleRoute(api.getLink, async ({ params, headers }, context) => {
      const preconditions = parsePreconditions(headers);
      return readReply(await links.read(context, params.id), preconditions);
    }),
    handleRoute(api.patchLink, async ({ params, body, headers }, context) => {
      const patch = { fields: body, preconditions: parsePreconditions(headers) };
      return links.change(context, params.id, patch, (link) => linkReply(200, link));
    }),
    handleRoute(api.deleteLink, async ({ params, headers }, context) =>
      links.remove(context, params.id, parsePreconditions(headers), { status: 204 }),
    ),
  ];
}
