import { defineErrors } from '#base/errors';

export const leasesErrors = defineErrors('leases', {
  lease_lost: {
    status: 503,
    title: 'This process no longer leads',
    retryable: true,
    doc: 'The lease under which the work was done has passed to another process, or has been given back; nothing of the work was written. The process asks for the lease again by itself.',
  },
});
