/**
 * What the tests of the conformance suite do with a store.
 */
import assert from 'node:assert/strict';
import type { ClaimedJob, PreparedJob } from '../job.ts';
import { makeTurn, type SuiteStores } from '../store.fixture.ts';
import type { CompleteAndClaim, CompleteAndClaimRequest, Lease } from '../store.ts';

type Held = Extract<CompleteAndClaim, { kind: 'held' }>;

export function createHandle(stores: SuiteStores) {
  const { jobs } = stores;
  return {
    ...stores,
    async insert(...prepared: PreparedJob[]) {
      await stores.transact((tx) => jobs.insert(tx, prepared));
    },
    async completeAndClaim(queue: string, over: Partial<CompleteAndClaimRequest> = {}): Promise<Held> {
      const turn = await jobs.completeAndClaim(makeTurn(queue, over));
      assert(turn.kind === 'held', 'the lease is lost');
      return turn;
    },
    /** The payloads' numbers of what a first turn takes. */
    async take(queue: string, want: number, over: Partial<CompleteAndClaimRequest> = {}): Promise<string[]> {
      const turn = await this.completeAndClaim(queue, { want, ...over });
      return turn.jobs.map(({ jobId }) => jobId);
    },
    async state(jobId: string): Promise<string | undefined> {
      return (await stores.inspection.find(jobId))?.state;
    },
  };
}
export type Handle = ReturnType<typeof createHandle>;

/** Enqueues a job and takes it in flight. */
export async function takeOne(at: Handle, job: PreparedJob): Promise<{ claimed: ClaimedJob; lease: Lease }> {
  await at.insert(job);
  const { jobs, lease } = await at.completeAndClaim(job.queue, { want: 1 });
  return { claimed: jobs[0]!, lease };
}
