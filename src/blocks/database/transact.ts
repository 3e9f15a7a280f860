/**
 * Transactions.
 *
 * States of one attempt:  lazy ──first statement──▶ open ──commit sent──▶ committing ──▶ done
 *                           └──no statement at all──▶ done          (failure before commit: rolled back)
 *
 * BEGIN travels with the first statement (pipelined), so a mutation of one statement costs two round trips. What else a
 * transaction is to have (isolation, role, time limits) goes in the same message, and ends with it.
 * A failure before COMMIT is sent has changed nothing; one after it, without an answer, is `outcome_unknown`.
 */
import assert from 'node:assert/strict';
import { sleep } from '#base/clock';
import { withSignal } from '#base/deadline';
import type { Runtime } from '#base/runtime';
import { formatPosition, unsureIn } from '#blocks/postgres';
import { databaseErrors } from './errors.ts';
import { isConflict, isRefusal, toCoded } from './failure.ts';
import type { Transaction } from './port.ts';
import type { Begin, Connection } from './primary/connection.ts';
import type { Pool } from './primary/pool.ts';

const ATTEMPTS_MAX = 4;
const RETRY_BASE_MS = 5;

export interface TransactionKind {
  begin: Begin;
  /** What `Transaction.bucket` says. */
  bucket: number;
  /** See `TransactOptions`. */
  onCommit?: ((position: string) => void) | undefined;
}

export const ORDINARY: Begin = 'begin';

/** All statements see what was committed when the first of them was sent. */
export function beginSnapshot(timeoutMs: number): Begin {
  return `begin isolation level repeatable read; ${limits(timeoutMs)}`;
}

/** Acts as the owner of all tables. @param lockTimeoutMs how long it may make others wait behind it for a table */
export function beginAlteration({
  timeoutMs,
  lockTimeoutMs,
}: {
  timeoutMs: number;
  lockTimeoutMs: number;
}): Begin {
  return `begin; set local role loadstone_owner; set local lock_timeout = ${ms(lockTimeoutMs)}; ${limits(timeoutMs)}`;
}

/** In the place of the connection's own limits. One that is running is not set anew: it has to be ended first. */
function limits(timeoutMs: number): string {
  return `
    set local statement_timeout = ${ms(timeoutMs)};
    set local idle_in_transaction_session_timeout = ${ms(timeoutMs)};
    set local transaction_timeout = 0;
    set local transaction_timeout = ${ms(timeoutMs)}`;
}

function ms(count: number): string {
  assert(Number.isInteger(count) && count > 0 && count < 2 ** 31, `not a number of milliseconds: ${count}`);
  return String(count);
}

/** Sends the commit right behind what trails, and waits for the answers of all. */
async function commit(
  connection: Connection,
  signal: AbortSignal,
  trailing: readonly Promise<unknown>[],
  { onCommit }: TransactionKind,
): Promise<void> {
  signal.throwIfAborted();
  const lost = connection.lost();
  if (lost) throw toCoded(lost);
  const { term } = connection;
  const isAsked = onCommit !== undefined && term !== undefined;
  if (isAsked) onCommit(formatPosition(unsureIn(term)));
  const committing = connection.commit(isAsked);
  const [, ...trailed] = await Promise.allSettled([committing, ...trailing]);
  const { outcome, lsn } = await committing.catch((error: unknown) => {
    if (!signal.aborted && isRefusal(error)) throw error;
    connection.cut();
    throw databaseErrors.outcome_unknown({ cause: error, retryAfterS: 1 });
  });
  if (connection.isReplaced()) {
    const detail = 'the primary that has answered the commit was replaced meanwhile';
    throw databaseErrors.outcome_unknown({ detail, retryAfterS: 1 });
  }
  if (isAsked && lsn !== undefined) onCommit(formatPosition({ term, lsn }));
  const failed = trailed.find((each) => each.status === 'rejected');
  if (failed) throw failed.reason;
  if (outcome !== 'COMMIT') {
    throw databaseErrors.database_failed({
      detail: 'a statement of the transaction had failed; nothing was written',
    });
  }
}

/** The transaction that `work` sees, which opens by itself, and cannot be used once it has ended. */
function createTransaction(connection: Connection, { begin, bucket }: TransactionKind, signal: AbortSignal) {
  let begun: Promise<string> | undefined;
  let hasEnded = false;
  const trailing: Promise<unknown>[] = [];
  function open(): Connection {
    assert(!hasEnded, 'the transaction has ended: its connection may already serve another');
    if (!begun) {
      begun = connection.control(begin);
      // Awaited before the commit; until then its failure must not count as unhandled.
      begun.catch(() => {});
    }
    return connection;
  }
  const tx: Transaction = {
    bucket,
    signal,
    rows: async (query) => open().rows(query),
    first: async (query) => open().first(query),
    run: async (query) => open().run(query),
    withCommit(sent) {
      // Looked at with the commit; until then its failure must not count as unhandled.
      sent.catch(() => {});
      trailing.push(sent);
    },
  };
  return {
    tx,
    trailing,
    end(): Promise<string> | undefined {
      hasEnded = true;
      return begun;
    },
  };
}

async function attempt<T>(
  connection: Connection,
  kind: TransactionKind,
  signal: AbortSignal,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  const { tx, trailing, end } = createTransaction(connection, kind, signal);
  try {
    // Work that waits for something else must not keep the connection past the deadline.
    const result = await withSignal(work(tx), signal);
    const begun = end();
    if (begun) {
      await begun;
      await commit(connection, signal, trailing, kind);
    }
    return result;
  } catch (error) {
    const begun = end();
    if (!begun) throw error;
    // Where it could not even begin, what its statements failed with says nothing.
    const reason = await begun.then(
      () => error,
      (notBegun: unknown) => notBegun,
    );
    if (!connection.lost()) await connection.control('rollback').catch(() => connection.cut());
    throw reason;
  } finally {
    connection.release();
  }
}

/** Runs `work` in a transaction on `pool`, again (with jitter) when Postgres reports a conflict. */
export async function transactOn<T>(
  pool: Pool,
  kind: TransactionKind,
  signal: AbortSignal,
  deps: Pick<Runtime, 'clock' | 'random'>,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    const connection = await pool.connect(signal);
    try {
      return await attempt(connection, kind, signal, work);
    } catch (error) {
      if (!isConflict(error) || tries >= ATTEMPTS_MAX) throw error;
      await sleep(deps.clock, RETRY_BASE_MS * 2 ** tries * deps.random.fraction(), signal);
    }
  }
}
