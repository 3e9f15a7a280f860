import { defineErrors } from '#base/errors';

export const idsErrors = defineErrors('ids', {
  ids_ahead_of_clock: {
    status: 503,
    title: 'No id can be issued until the clock catches up',
    retryable: true,
    doc: 'Ids were issued faster than 32,000 a second for longer than the one second that may be borrowed, or the machine’s clock has stepped back by more than a second. Nothing was written. Retry after the time in `Retry-After`: after a step back the process takes another worker number, and goes on.',
  },
  worker_lease_lost: {
    status: 503,
    title: 'This process may not issue ids at the moment',
    retryable: true,
    doc: 'The lease on its worker number has passed to another process, or could not be renewed in time because the database was unreachable. Nothing was written. The process renews it or takes another by itself; retry later.',
  },
  workers_exhausted: {
    status: 503,
    title: 'All 128 worker numbers are in use',
    retryable: true,
    doc: '128 processes hold or have lately held a lease, so this one cannot issue ids and does not start. Stop some, or wait `ids.leaseMs` after a crash: the leases of processes that are gone run out by themselves.',
  },
  clock_out_of_range: {
    status: 503,
    title: 'The clock of this machine shows an impossible time',
    doc: 'Ids hold the time from 2026 to 2095, and the clock is outside of that. Set the clock of the machine.',
  },
  code_space_exhausted: {
    status: 503,
    title: 'There are no short codes left',
    doc: 'All codes of seven and of eight characters have been handed out, about 2.2 × 10^14 of them.',
  },
});
