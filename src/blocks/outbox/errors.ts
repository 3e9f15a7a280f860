import { defineErrors } from '#base/errors';

export const outboxErrors = defineErrors('outbox', {
  outbox_full: {
    status: 503,
    title: 'Too many events wait to be moved to the log',
    retryable: true,
    doc: 'More events than `outbox.lagMax` have been written and not yet moved to the log, so further writes are refused rather than let the backlog grow without end. Nothing was written. Retry after the time in `Retry-After`; if it stays so, the relay stands still: its health and the server log say why.',
  },
  event_too_large: {
    status: 413,
    title: 'An event is too large',
    doc: 'The payload of one event may have at most 256 KiB as JSON. Nothing was written. Store the large part as a row or an object, and let the event name it.',
  },
});
