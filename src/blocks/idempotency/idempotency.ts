/**
 * Key + body → one outcome, kept in the business transaction.
 *
 * A request with a key is, at its look-up:  new ──▶ runs, and its outcome is inserted with its rows
 *                                           running ──▶ 409 (another transaction holds the key's advisory lock)
 *                                           kept ──▶ the stored outcome again, or 422 when the body differs
 *
 * The lock is only tried, never waited for, so that repeats cannot fill the pool. It is an optimisation: what makes
 * the outcome single is the record's primary key. A look-up whose snapshot is older than the lock it then gets can see
 * neither record nor lock; its insert fails on the key, and the caller runs again and finds the record.
 *
 * A record answers until it is deleted, which is at the earliest after the retention.
 */
import { withSignal } from '#base/deadline';
import type { LoadstoneError } from '#base/errors';
import { createLifecycle, type Lifecycle } from '#base/lifecycle';
import { createLoop } from '#base/loop';
import { type MasterKey, masterKeyErrors } from '#base/master-key';
import type { Runtime } from '#base/runtime';
import { bytes, isConstraintViolation, numbers, type Queryable, sql } from '#blocks/database';
import { idempotencyErrors } from './errors.ts';
import { canonicalJson, hashFields } from './key.ts';
import type { IdempotencyOptions } from './options.ts';

/** One request that has a key. */
export interface IdempotentRequest {
  workspaceId: string;
  bucket: number;
  recordId: Buffer;
  requestHash: Buffer;
}

/** What is answered again. */
export interface Outcome {
  status: number;
  headers: Readonly<Record<string, string>>;
  body: unknown;
  /** What the mutation has told others of, as JSON; it is no part of the answer. */
  change?: unknown;
}

export interface KeptOutcome {
  request: IdempotentRequest;
  outcome: Outcome;
}

/** What a look-up has found: nothing (the request is new, and locked), its outcome, or why it cannot be answered. */
export type Look =
  | { kind: 'new' }
  | { kind: 'kept'; outcome: Outcome }
  | { kind: 'refused'; error: LoadstoneError };

export interface Idempotency extends Lifecycle {
  /** @param route method and path pattern */
  identify(
    scope: { workspaceId: string; keyId: string; route: string; key: string },
    path: string,
    body: unknown,
    bucket: number,
  ): IdempotentRequest;
  /**
   * Inside the transaction, as its first statement. Undefined when the request is new: it is then locked until the
   * transaction ends.
   * @throws idempotency_key_reused, idempotency_in_progress
   */
  find(tx: Queryable, request: IdempotentRequest): Promise<Outcome | undefined>;
  /** The same for requests that differ, in one statement; gives for each what `find` would give or throw. */
  findEach(tx: Queryable, requests: readonly IdempotentRequest[]): Promise<Look[]>;
  /** Inside the transaction, as its last statement. @throws a violation for which `isRepeated` is true */
  keep(tx: Queryable, request: IdempotentRequest, outcome: Outcome): Promise<unknown>;
  /** The same for several, in the order of their keys, so that two that do this cannot wait for each other in a circle. */
  keepEach(tx: Queryable, kept: readonly KeptOutcome[]): Promise<unknown>;
  /** Whether `error` says that the same request was completed meanwhile: run again, and it will be found. */
  isRepeated(error: unknown): boolean;
}

export interface IdempotencyDeps extends Pick<Runtime, 'clock' | 'log'> {
  masterKey: MasterKey;
  /** Reads and deletes expired records. */
  core: Queryable;
}

const SEAL_PURPOSE = 'idempotency outcomes';
const SWEEP_BATCH = 1000;

interface Found {
  nth: number;
  request_hash: Buffer | null;
  outcome: Buffer | null;
}

/** The record's advisory lock: 64 bits of its id. */
function lockKey(recordId: Buffer): string {
  return recordId.readBigInt64BE(0).toString();
}

/** One outcome for each request that repeats its Idempotency-Key. Start begins deleting what is past its retention. */
export function createIdempotency(options: IdempotencyOptions, deps: IdempotencyDeps): Idempotency {
  const { clock, core, log, masterKey } = deps;

  async function sweep(): Promise<number> {
    const before = new Date(clock.nowMs() - options.retentionMs);
    for (let deleted = SWEEP_BATCH; deleted === SWEEP_BATCH && !sweeping.isStopping(); ) {
      deleted = await core.run(sql`
        delete from core.idempotency_records where record_id in (
          select record_id from core.idempotency_records where created_at < ${before}
          order by created_at limit ${SWEEP_BATCH} for update skip locked)`);
    }
    return options.sweepEveryMs;
  }

  const sweeping = createLoop(clock, {
    work: sweep,
    failed(error) {
      log.warn({ err: error }, 'expired idempotency records were not deleted');
      return options.sweepEveryMs;
    },
  });

  /** Servers of one database must have one master key: what one has kept, another is asked for. */
  async function proveMasterKey(): Promise<void> {
    const proof = masterKey.derive('proof of the master key');
    await core.run(sql`insert into core.master_key (proof) values (${proof}) on conflict do nothing`);
    const first = await core.first<{ proof: Buffer }>(sql`select proof from core.master_key`);
    if (first?.proof.equals(proof)) return;
    throw masterKeyErrors.master_key_invalid({
      detail:
        'what this database keeps was sealed with another master key: give every server the same LOADSTONE_MASTER_KEY, or the file master.key of the first one',
    });
  }

  function judge({ requestHash }: IdempotentRequest, found: Found | undefined): Look {
    if (!found) return { kind: 'new' };
    if (!found.outcome || !found.request_hash)
      return { kind: 'refused', error: idempotencyErrors.idempotency_in_progress({ retryAfterS: 1 }) };
    if (!found.request_hash.equals(requestHash))
      return { kind: 'refused', error: idempotencyErrors.idempotency_key_reused() };
    const text = masterKey.open(SEAL_PURPOSE, found.outcome).toString('utf8');
    return { kind: 'kept', outcome: JSON.parse(text) as Outcome };
  }

  /** Gives a row for those that are not new only: of most requests there is none. */
  async function findEach(tx: Queryable, requests: readonly IdempotentRequest[]): Promise<Look[]> {
    const rows = await tx.rows<Found>(sql`
      with claimed as materialized (
        select asked.nth, asked.record_id, pg_try_advisory_xact_lock(asked.lock) as locked
        from unnest(${bytes(requests.map(({ recordId }) => recordId))}::bytea[],
          ${numbers(requests.map(({ recordId }) => lockKey(recordId)))}::bigint[])
          with ordinality as asked (record_id, lock, nth)
      )
      select claimed.nth::integer, kept.request_hash, kept.outcome
      from claimed left join core.idempotency_records as kept on kept.record_id = claimed.record_id
      where kept.record_id is not null or not claimed.locked`);
    const found = new Map(rows.map((row) => [row.nth, row]));
    return requests.map((request, at) => judge(request, found.get(at + 1)));
  }

  function keepEach(tx: Queryable, kept: readonly KeptOutcome[]): Promise<number> {
    const sorted = kept.toSorted((a, b) => Buffer.compare(a.request.recordId, b.request.recordId));
    const of = <T>(pick: (request: IdempotentRequest) => T) => sorted.map(({ request }) => pick(request));
    const sealed = sorted.map(({ outcome }) =>
      masterKey.seal(SEAL_PURPOSE, Buffer.from(JSON.stringify(outcome))),
    );
    const nowMs = clock.nowMs();
    return tx.run(sql`
      insert into core.idempotency_records (record_id, workspace_id, bucket, request_hash, outcome, created_at)
      select record_id, workspace_id, bucket, request_hash, outcome, ${new Date(nowMs)}::timestamptz
      from unnest(${bytes(of(({ recordId }) => recordId))}::bytea[],
        ${numbers(of(({ workspaceId }) => workspaceId))}::bigint[], ${numbers(of(({ bucket }) => bucket))}::smallint[],
        ${bytes(of(({ requestHash }) => requestHash))}::bytea[], ${bytes(sealed)}::bytea[])
        as record (record_id, workspace_id, bucket, request_hash, outcome)`);
  }

  const lifecycle = createLifecycle('idempotency', {
    async start(signal) {
      await withSignal(proveMasterKey(), signal);
      sweeping.begin(options.sweepEveryMs);
    },
    stop: () => sweeping.stop(),
  });

  return {
    ...lifecycle,
    identify({ workspaceId, keyId, route, key }, path, body, bucket) {
      return {
        workspaceId,
        bucket,
        recordId: hashFields(workspaceId, keyId, route, key),
        requestHash: hashFields(route, path, canonicalJson(body)),
      };
    },

    async find(tx, request) {
      const [look] = await findEach(tx, [request]);
      if (look?.kind === 'refused') throw look.error;
      return look?.kind === 'kept' ? look.outcome : undefined;
    },
    findEach,

    keep: (tx, request, outcome) => keepEach(tx, [{ request, outcome }]),
    keepEach,

    isRepeated: (error) => isConstraintViolation(error, 'idempotency_records_once'),
  };
}
