import { defineErrors } from '#base/errors';

export const resilienceErrors = defineErrors('resilience', {
  breaker_open: {
    status: 503,
    title: 'A part that this needs has failed lately and is not asked now',
    retryable: true,
    isCommon: true,
    doc: 'Calls to what the detail names have failed so often that it is left alone; `Retry-After` says when it is tried again. Nothing was done. Retry after that.',
  },
  bulkhead_full: {
    status: 503,
    title: 'Too much of one kind is under way',
    retryable: true,
    isCommon: true,
    doc: 'As many calls to what the detail names are under way as are allowed, and as many wait, or this one has waited for as long as it may. Nothing was done. Retry; if it lasts, what is called is too slow for the load.',
  },
});
