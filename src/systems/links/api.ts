/**
 * The shapes of the links API: validation, the OpenAPI document and the reference are made from these.
 */
import Type, { type Static } from 'typebox';
import { defineRaw, defineRoute, systemErrors } from '#blocks/system';
import { linksErrors } from './errors.ts';

export { linksModel } from './model.ts';

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
const RedirectStatus = Type.Union(
  [Type.Literal(301), Type.Literal(302), Type.Literal(307), Type.Literal(308)],
  { title: 'RedirectStatus', description: 'The HTTP status of the redirect. Default 302.' },
);
export type RedirectStatus = Static<typeof RedirectStatus>;
const Time = { format: 'date-time' } as const;
const Code = Type.String({ description: 'What follows the slash.', examples: ['3mVqLyT'] });
const ShortUrl = Type.String({
  description: 'The address to give away.',
  examples: ['https://go.example.com/3mVqLyT'],
});
const Expiry = Type.Union([Type.String(Time), Type.Null()], {
  description: 'When the redirect ends; null for never.',
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
    createdAt: Type.String({ ...Time, description: 'When it was made.' }),
    updatedAt: Type.String({ ...Time, description: 'When it was last changed.' }),
  },
  { ...closed, title: 'Link', description: 'A code that redirects.' },
);
export type Link = Static<typeof Link>;

const LinkId = Type.Object({ id: Type.String({ description: "The link's id.", examples: [ID] }) }, closed);

const etag = { ETag: Type.String({ description: 'The version of the link, for `If-Match`.' }) };
const location = { Location: Type.String({ description: 'The path of the link in this API.' }) };
const ifMatch = {
  'If-Match': Type.String({
    description: 'The `ETag` of the version that is meant: another one is left as it is (412).',
  }),
};

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
  body: Type.Object({ url: Url, ttl: Type.Optional(Ttl) }, { ...closed, title: 'UrlToShorten' }),
  replies: {
    201: Type.Object(
      { code: Code, shortUrl: ShortUrl, expiresAt: Expiry },
      { ...closed, title: 'ShortUrl', description: 'What a link is known by.' },
    ),
  },
  replyHeaders: location,
  errors: destinationErrors,
  consistency: 'strong',
  whenPartitioned: 'refuse',
});

export const createLink = defineRoute({
  method: 'POST',
  idempotency: 'transaction',
  path: '/v1/links',
  id: 'createLink',
  summary: 'Create a link',
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
  replyHeaders: { ...etag, ...location },
  errors: [
    ...destinationErrors,
    linksErrors.alias_invalid,
    linksErrors.alias_reserved,
    linksErrors.alias_taken,
  ],
  consistency: 'strong',
  whenPartitioned: 'refuse',
});

export const getLink = defineRoute({
  method: 'GET',
  path: '/v1/links/:id',
  id: 'getLink',
  summary: 'Read a link',
  description:
    'With `If-None-Match` and the `ETag` that the caller has: 304 without a body, as long as the link is that. With `If-Match`: 412 once it is another.',
  params: LinkId,
  headers: ifMatch,
  replies: { 200: Link, 304: null },
  replyHeaders: etag,
  errors: [linksErrors.link_not_found, linksErrors.link_changed, systemErrors.precondition_malformed],
  consistency: 'session',
  whenPartitioned: 'refuse',
});

export const listLinks = defineRoute({
  method: 'GET',
  path: '/v1/links',
  id: 'listLinks',
  summary: 'List links, newest first',
  query: Type.Object(
    {
      limit: Type.Optional(
        Type.Integer({ minimum: 1, maximum: 100, default: 20, description: 'How many at most.' }),
      ),
      cursor: Type.Optional(
        Type.String({ maxLength: 200, description: 'The `nextCursor` of the page before.' }),
      ),
    },
    closed,
  ),
  replies: {
    200: Type.Object(
      {
        items: Type.Array(Link),
        nextCursor: Type.Union([Type.String(), Type.Null()], {
          description: 'For `cursor` of the next request; null only at the end.',
          examples: [null],
        }),
      },
      { ...closed, title: 'LinkPage' },
    ),
  },
  errors: [linksErrors.cursor_invalid],
  consistency: 'session',
  whenPartitioned: 'refuse',
});

export const countLinks = defineRoute({
  method: 'GET',
  path: '/v1/links/counts',
  id: 'countLinks',
  summary: 'Count links',
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
  whenPartitioned: 'refuse',
});

export const patchLink = defineRoute({
  method: 'PATCH',
  path: '/v1/links/:id',
  id: 'patchLink',
  summary: 'Change a link',
  description:
    'Fields that are absent stay as they are; `expiresAt: null` makes the link permanent. With `If-Match` the change is made only to a version with one of those `ETag`s, with `If-None-Match` only to others.',
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
  headers: ifMatch,
  replies: { 200: Link },
  replyHeaders: etag,
  errors: [
    ...destinationErrors,
    linksErrors.link_not_found,
    linksErrors.link_changed,
    systemErrors.precondition_malformed,
  ],
  consistency: 'strong',
  whenPartitioned: 'refuse',
});

export const deleteLink = defineRoute({
  method: 'DELETE',
  path: '/v1/links/:id',
  id: 'deleteLink',
  summary: 'Delete a link',
  description:
    'Its redirect answers 410 from then on; its code is never given to another link. Takes `If-Match` and `If-None-Match` as changing does.',
  params: LinkId,
  headers: ifMatch,
  replies: { 204: null },
  errors: [linksErrors.link_not_found, linksErrors.link_changed, systemErrors.precondition_malformed],
  consistency: 'strong',
  whenPartitioned: 'refuse',
});

/** The redirect itself: a raw route, answered without a key. */
export function redirectShape(options: { staleMsMax: number; trailingSlash: 'redirect' | 'not_found' }) {
  return defineRaw({
    method: 'GET',
    path: '/:code',
    trailingSlash: options.trailingSlash === 'redirect',
    id: 'followLink',
    summary: 'Follow a link',
    description:
      'Redirects to where the link leads, with the status that the link has. `HEAD` is answered in the same way.',
    access: 'anyone',
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
    whenPartitioned: { staleMsMax: options.staleMsMax },
  });
}
