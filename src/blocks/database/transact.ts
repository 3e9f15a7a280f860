/**
 * Transactions.
 *
 * States of one attempt:  lazy ──first statement──▶ open ──commit sent──▶ committing ──▶ done
 *                           └──no statement at all──▶ done          (failure before commit: rolled back)
 *
 * BEGIN travels with the first statement (pipelined), so a mutation of one statement costs two round trips.
 * A failure before COMMIT is sent has changed nothing; one after it, without an answer, is `outcome_unknown`.
 */
import assert from 'node:assert/strict';
import { type Clock, sleep } from '#base/clock';
import { withSignal } from '#base/deadline';
import type { Random } from '#base/random';
import { bucketOf } from './buckets.ts';
import type { Connection } from './connection.ts';
import type { Placement, Transaction } from './database.ts';
import { databaseErrors } from './errors.ts';
import { isConflict, isRefusal, toCoded } from './failure.ts';
import type { Pool } from './pool.ts';

const ATTEMPTS_MAX = 4;
const RETRY_BASE_MS = 5;

/** Sends the commit right behind what trails, and waits for the answers of all. */
async function commit(
  connection: Connection,
  signal: AbortSignal,
  trailing: readonly Promise<unknown>[],
): Promise<void> {
  signal.throwIfAborted();
  const lost = connection.lost();
  if (lost) throw toCoded(lost);
  const committing = connection.control('commit');
  const [, ...trailed] = await Promise.allSettled([committing, ...trailing]);
  let outcome: string;
  try {
    outcome = await committing;
  } catch (error) {
    if (!signal.aborted && isRefusal(error)) throw error;
    connection.cut();
    throw databaseErrors.outcome_unknown({ cause: error, retryAfterS: 1 });
  }
  const failed = trailed.find((each) => each.status === 'rejected');
  if (failed) throw failed.reason;
  if (outcome !== 'COMMIT') {
    throw databaseErrors.database_failed({
      detail: 'a statement of the transaction had failed; nothing was written',
    });
  }
}

/** The transaction that `work` sees, which opens by itself, and cannot be used once it has ended. */
function createTransaction(connection: Connection, bucket: number, signal: AbortSignal) {
  let begun: Promise<string> | undefined;
  let hasEnded = false;
  const trailing: Promise<unknown>[] = [];
  function open(): Connection {
    assert(!hasEnded, 'the transaction has ended: its connection may already serve another');
    if (!begun) {
      begun = connection.control('begin');
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
    trail(sent) {
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
  bucket: number,
  signal: AbortSignal,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  const { tx, trailing, end } = createTransaction(connection, bucket, signal);
  try {
    // Work that waits for something else must not keep the connection past the deadline.
    const result = await withSignal(work(tx), signal);
    const begun = end();
    if (begun) {
      await begun;
      await commit(connection, signal, trailing);
    }
    return result;
  } catch (error) {
    if (end() && !connection.lost()) await connection.control('rollback').catch(() => connection.cut());
    throw error;
  } finally {
    connection.release();
  }
}

/** Runs `work` in a transaction on `pool`, again (with jitter) when Postgres reports a conflict. */
export async function transactOn<T>(
  pool: Pool,
  placement: Placement,
  signal: AbortSignal,
  deps: { clock: Clock; random: Random },
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  const bucket = 'bucket' in placement ? placement.bucket : bucketOf(placement.shardKey);
  for (let tries = 1; ; tries++) {
    const connection = await pool.connect(signal);
    try {
      return await attempt(connection, bucket, signal, work);
    } catch (error) {
      if (!isConflict(error) || tries >= ATTEMPTS_MAX) throw error;
      await sleep(deps.clock, RETRY_BASE_MS * 2 ** tries * deps.random.fraction(), signal);
    }
  }
}
