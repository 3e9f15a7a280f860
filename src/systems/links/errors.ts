import { defineErrors } from '#base/errors';

export const linksErrors = defineErrors('links', {
  url_invalid: {
    status: 422,
    title: 'The URL is not valid',
    doc: 'The destination is not an absolute URL with a scheme, `://` and a host, has control characters, surrounding spaces or lone surrogates, or a host or port that no URL may have. `errors` says which. Send the URL as a browser shows it after following it.',
  },
  url_scheme_not_allowed: {
    status: 422,
    title: 'The URL has a scheme that links do not take',
    doc: 'Links lead to `http` and `https` only: a link to `javascript:`, `data:`, `file:` or an app would act in the name of the short domain.',
  },
  url_credentials_not_allowed: {
    status: 422,
    title: 'The URL holds credentials',
    doc: 'There is an `@` before the path: a user name or password would be shown to everyone who follows the link, and a host name before the `@` misleads them. Remove it; write `%40` for an `@` that is no part of credentials.',
  },
  url_too_long: {
    status: 422,
    title: 'The URL is too long',
    doc: 'The destination has more than 8192 bytes, as sent or after percent-encoding. A letter outside ASCII takes six bytes or more when encoded.',
  },
  url_own_host: {
    status: 422,
    title: 'The URL leads back to this server',
    doc: 'The destination is the host of `publicUrl` or the address that the server listens on, so that following the link could go in circles. Link to the final destination.',
  },
  alias_invalid: {
    status: 422,
    title: 'The alias is not valid',
    doc: 'An alias has 3 to 64 of the characters A–Z, a–z, 0–9, `_` and `-`, and starts with a letter or digit.',
  },
  alias_reserved: {
    status: 422,
    title: 'The alias is reserved',
    doc: 'The server needs this path for itself, or people and programs expect something else there. Upper and lower case are the same here. Choose another alias.',
  },
  alias_taken: {
    status: 409,
    title: 'The alias is taken',
    doc: 'Another link has this alias, or had it: a code is never given again, even after its link is deleted. Choose another alias.',
  },
  expiry_invalid: {
    status: 422,
    title: 'The expiry is not valid',
    doc: 'Give either `ttl`, whole seconds from 1 to 315360000, or `expiresAt`, an RFC 3339 time with an offset that is in the future and before the year 10000; not both.',
  },
  link_not_found: {
    isCommon: true,
    status: 404,
    title: 'There is no such link',
    doc: 'No link of this workspace has the id, or no link at all has the code. Codes distinguish upper and lower case.',
  },
  link_gone: {
    isCommon: true,
    status: 410,
    title: 'The link is gone',
    doc: 'The link has expired or has been deleted. Its code will not come back.',
  },
  redirects_busy: {
    isCommon: true,
    status: 503,
    title: 'Too many redirects are waiting for the database',
    retryable: true,
    doc: 'More redirects wait for the database than the server keeps waiting. Retry after the time in `Retry-After`; redirects kept in memory are still answered.',
  },
  codes_exhausted: {
    status: 503,
    title: 'No free code was found',
    retryable: true,
    doc: 'Several generated codes in a row were taken by aliases, which chance does not explain. Retry; when it comes again, compare `links.codes` with the code counter, which may have been restored to an earlier state.',
  },
});
