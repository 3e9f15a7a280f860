/**
 * The shapes of the links API: validation, the OpenAPI document and the reference are made from these.
 */
import Type, { type Static } from 'typebox';
import {
  defineRaw,
  defineRoute,
  pageOf,
  pageQuery,
  systemErrors,
  timeField,
  timeOrNull,
  versionHeader,
} from '#blocks/system';
import { linksErrors } from './errors.ts';
import { RedirectStatus } from './fields/redirect-status.ts';

export { type LinkEvent, linkChanged, linkCreated, linkDeleted, linkEvents, linkExpired } from './events.ts';
export { linksModel } from './model.ts';
export { expiryQueue, linksQueues, sweepQueue } from './queues.ts';

const closed = { additionalProperties: false } as const;

const Url = Type.String({
  description: 'Where the link leads: an absolute http or https URL of at most 8 KiB.',
  examples: ['https://example.com/a/long/path'],
});
const Ttl = Type.Integer({
  minimum: 1,
  maximum: 315_360_000,
  description: 'Seconds until the link expires.',
});
const ExpiresAt = Type.String({ description: 'When the link expires: RFC 3339 with an offset.' });
const Code = Type.String({ description: 'What follows the slash.', examples: ['3mVqLyT'] });
const ShortUrl = Type.String({
  description: 'The address to give away.',
  examples: ['https://go.example.com/3mVqLyT'],
});
const Expiry = timeOrNull('When the redirect ends; null for never.', {
  examples: ['2026-12-31T23:59:59.000Z'],
});

const ID = '117896458777124864';

export const Link = Type.Object(
  {
    id: Type.String({ description: 'A 64-bit number as a string.', examples: [ID] }),
    code: Code,
    shortUrl: ShortUrl,
    url: Type.String({
      description: 'Normalised by the WHATWG URL rules: what the redirect sends.',
      examples: ['https://example.com/a/long/path'],
    }),
    redirectStatus: RedirectStatus,
    expiresAt: Expiry,
    createdAt: timeField('When it was made.'),
    updatedAt: timeField('When it was last changed.'),
  },
  { ...closed, title: 'Link', description: 'A code that redirects.' },
);
export type Link = Static<typeof Link>;

const LinkId = Type.Object({ id: Type.String({ description: "The link's id.", examples: [ID] }) }, closed);

const location = { Location: Type.String({ description: 'The path of the link in this API.' }) };

const destinationErrors = [
  linksErrors.url_invalid,
  linksErrors.url_scheme_not_allowed,
  linksErrors.url_credentials_not_allowed,
  linksErrors.url_too_long,
  linksErrors.url_own_host,
  linksErrors.expiry_invalid,
] as const;

export const shorten = defineRoute({
  method: 'POST',
  idempotency: 'transaction',
  path: '/v1/shorten',
  id: 'shorten',
  summary: 'Shorten a URL',
  access: 'links:write',
  body: Type.Object({ url: Url, ttl: Type.Optional(Ttl) }, { ...closed, title: 'UrlToShorten' }),
  replies: {
    201: Type.Object(
      { code: Code, shortUrl: ShortUrl, expiresAt: Expiry },
      { ...closed, title: 'ShortUrl', description: 'What a link is known by.' },
    ),
  },
  replyHeaders: location,
  errors: destinationErrors,
});

export const createLink = defineRoute({
  method: 'POST',
  idempotency: 'transaction',
  path: '/v1/links',
  id: 'createLink',
  summary: 'Create a link',
  access: 'links:write',
  description: 'With an `alias` the link gets that code; without one it gets a code that cannot be guessed.',
  body: Type.Object(
    {
      url: Url,
      alias: Type.Optional(
        Type.String({
          description: 'Its code: 3–64 of A–Z a–z 0–9 _ -, starting with a letter or digit.',
        }),
      ),
      ttl: Type.Optional(Ttl),
      expiresAt: Type.Optional(ExpiresAt),
      redirectStatus: Type.Optional(RedirectStatus),
    },
    { ...closed, title: 'NewLink' },
  ),
  replies: { 201: Link },
  replyHeaders: { ...versionHeader, ...location },
  errors: [
    ...destinationErrors,
    linksErrors.alias_invalid,
    linksErrors.alias_reserved,
    linksErrors.alias_taken,
  ],
});

export const getLink = defineRoute({
  method: 'GET',
  path: '/v1/links/:id',
  id: 'getLink',
  summary: 'Read a link',
  access: 'links:read',
  precondition: 'version',
  params: LinkId,
  replies: { 200: Link },
  errors: [linksErrors.link_not_found],
  consistency: 'session',
});

export const listLinks = defineRoute({
  method: 'GET',
  path: '/v1/links',
  id: 'listLinks',
  summary: 'List links, newest first',
  access: 'links:read',
  query: pageQuery(),
  replies: { 200: pageOf(Link) },
  errors: [systemErrors.cursor_invalid],
  consistency: 'session',
});

export const countLinks = defineRoute({
  method: 'GET',
  path: '/v1/links/counts',
  id: 'countLinks',
  summary: 'Count links',
  access: 'links:read',
  description:
    'A projection of the events: behind the truth by milliseconds, and by as much as the log is when it lags.',
  replies: {
    200: Type.Object(
      {
        live: Type.Integer({ description: 'Neither expired nor deleted.', examples: [23] }),
        expired: Type.Integer({ description: 'Past their expiry, and not deleted.', examples: [4] }),
      },
      { ...closed, title: 'LinkCounts' },
    ),
  },
  consistency: 'eventual',
});

export const patchLink = defineRoute({
  method: 'PATCH',
  path: '/v1/links/:id',
  id: 'patchLink',
  summary: 'Change a link',
  access: 'links:write',
  description: 'Fields that are absent stay as they are; `expiresAt: null` makes the link permanent.',
  precondition: 'version',
  params: LinkId,
  body: Type.Object(
    {
      url: Type.Optional(Url),
      ttl: Type.Optional(Ttl),
      expiresAt: Type.Optional(Type.Union([ExpiresAt, Type.Null()])),
      redirectStatus: Type.Optional(RedirectStatus),
    },
    { ...closed, minProperties: 1, title: 'LinkPatch' },
  ),
  replies: { 200: Link },
  errors: [...destinationErrors, linksErrors.link_not_found],
});

export const deleteLink = defineRoute({
  method: 'DELETE',
  path: '/v1/links/:id',
  id: 'deleteLink',
  summary: 'Delete a link',
  access: 'links:write',
  description: 'Its redirect answers 410 from then on; its code is never given to another link.',
  precondition: 'version',
  params: LinkId,
  replies: { 204: null },
  errors: [linksErrors.link_not_found],
});

/** The redirect itself: a raw route, answered without a key. */
export function redirectShape(options: {
  staleMsMax: number;
  cacheTtlMs: number;
  trailingSlash: 'redirect' | 'not_found';
}) {
  return defineRaw({
    method: 'GET',
    path: '/:code',
    trailingSlash: options.trailingSlash === 'redirect',
    id: 'followLink',
    summary: 'Follow a link',
    description:
      'Redirects to where the link leads, with the status that the link has. `HEAD` is answered in the same way.',
    access: 'public',
    params: Type.Object(
      { code: Type.String({ description: "The link's code.", examples: ['3mVqLyT'] }) },
      closed,
    ),
    replies: { 301: null, 302: null, 307: null, 308: null },
    replyHeaders: {
      Location: Type.String({ description: 'Where the link leads.' }),
      'Cache-Control': Type.String({
        description: 'How long a browser may keep it: never beyond its expiry.',
      }),
    },
    errors: [linksErrors.link_not_found, linksErrors.link_gone, linksErrors.redirects_busy],
    consistency: 'eventual',
    // What is fresh is answered without a look at the database, whether that is there or not.
    whenPartitioned: { staleMsMax: Math.max(options.staleMsMax, options.cacheTtlMs) },
  });
}
