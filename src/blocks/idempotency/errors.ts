import { defineErrors } from '#base/errors';

export const idempotencyErrors = defineErrors('idempotency', {
  idempotency_key_invalid: {
    status: 400,
    title: 'The Idempotency-Key cannot be used',
    doc: 'The header must be given once, with 1 to 255 visible ASCII characters, bare or as a quoted string.',
  },
  idempotency_key_reused: {
    status: 422,
    title: 'The Idempotency-Key was used for another request',
    doc: 'The same key came with another body after the first request was carried out. Use a new key for each new request; repeat a key only with the same body. After a refusal (4xx, 5xx) the key is free, also for a corrected body.',
  },
  idempotency_in_progress: {
    status: 409,
    title: 'The first request with this Idempotency-Key is still running',
    retryable: true,
    doc: 'Repeat the request after the time in `Retry-After`; it will then be given the first answer.',
  },
});
