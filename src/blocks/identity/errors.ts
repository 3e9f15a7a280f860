import { defineErrors } from '#base/errors';

export const identityErrors = defineErrors('identity', {
  unauthenticated: {
    status: 401,
    title: 'A valid API key is needed',
    doc: 'The `Authorization: Bearer <API key>` header is missing, malformed, or names a key that does not exist (any more).',
  },
  keys_busy: {
    status: 503,
    title: 'Too many callers wait for their key to be looked up',
    retryable: true,
    doc: 'More requests with keys that this process has not seen wait for the database than it keeps waiting. Retry after the time in `Retry-After`; keys that it knows are taken all the same.',
  },
  root_key_invalid: {
    status: 500,
    title: 'LOADSTONE_ROOT_KEY cannot be used',
    doc: 'The key in LOADSTONE_ROOT_KEY has fewer than 24 or more than 256 characters, or characters other than visible ASCII. The server does not start.',
  },
});
