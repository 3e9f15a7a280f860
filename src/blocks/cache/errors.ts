import { defineErrors } from '#base/errors';

export const cacheErrors = defineErrors('cache', {
  cache_loads_full: {
    status: 503,
    title: 'Too many values are being read',
    retryable: true,
    isCommon: true,
    doc: 'As many values as allowed are being read for a cache (`loadsMax`), so that a slow origin is not asked for ever more at once. What is kept is still answered. Retry.',
  },
  cache_load_late: {
    status: 504,
    title: 'A value was not read in time',
    retryable: true,
    doc: 'The origin of a cached value has not answered within `loadTimeoutMs`, and nothing that may be given instead is kept. Retry.',
  },
  cache_load_failed: {
    status: 503,
    title: 'A value could not be read',
    retryable: true,
    doc: 'The origin of a cached value has failed in a way that has no code of its own, and nothing that may be given instead is kept. The cause is in the log.',
  },
  cache_load_outdated: {
    status: 503,
    title: 'A value was read where it is not up to date',
    retryable: true,
    doc: 'A changed value was read again, and each time at a place that the change had not reached yet. Retry.',
  },
  cache_write_failed: {
    status: 503,
    title: 'A value could not be written',
    retryable: true,
    doc: 'Writing a cached value to its origin has failed in a way that has no code of its own. Whether it was written is known only after reading it back; nothing of it is kept.',
  },
  cache_writes_full: {
    status: 503,
    title: 'Too many values wait to be written',
    retryable: true,
    doc: 'A cache that writes behind has as many values in its buffer as allowed (`writesMax`): its origin is slower than its writers. Nothing was taken. Retry.',
  },
  cache_writes_lost: {
    status: 500,
    title: 'Values were not written before the stop',
    doc: 'A cache that writes behind was stopped, and its origin did not take all that waited in its buffer before the deadline. The log says how many.',
  },
  cache_invalidation_untold: {
    status: 503,
    title: 'Other processes could not be told of a change',
    retryable: true,
    doc: 'A change was forgotten in this process, but the others could not be told: they may give the old value until it is no longer fresh there. Invalidating again is safe.',
  },
});
