/**
 * Transactions.
 *
 * States of one attempt:  lazy ──first statement──▶ open ──commit sent──▶ committing ──▶ done
 *                           └──no statement at all──▶ done          (failure before commit: rolled back)
 *
 * BEGIN travels with the first statement (pipelined), so a mutation of one statement costs two round trips.
 * A failure before COMMIT is sent has changed nothing; one after it, without an answer, is `outcome_unknown`.
 */
import { type Clock, sleep } from '#base/clock';
import { isLoadstoneError } from '#base/errors';
import type { Random } from '#base/random';
import { bucketOf } from './buckets.ts';
import type { Connection } from './connection.ts';
import type { Placement, Transaction, TransactOptions } from './database.ts';
import { databaseErrors } from './errors.ts';
import { classify, isBroken } from './failure.ts';
import type { Pool } from './pool.ts';

const ATTEMPTS_MAX = 4;
const RETRY_BASE_MS = 5;

function isConflict(error: unknown): boolean {
  return isLoadstoneError(error) && classify(error.cause) === 'conflict';
}

async function commit(connection: Connection): Promise<void> {
  let outcome: string;
  try {
    outcome = await connection.control('commit');
  } catch (error) {
    if (!isBroken(error) && isConflict(error)) throw error;
    throw databaseErrors.outcome_unknown({ cause: error, retryAfterS: 1 });
  }
  if (outcome !== 'COMMIT') {
    throw databaseErrors.database_failed({
      detail: 'a statement of the transaction had failed; nothing was written',
    });
  }
}

async function attempt<T>(
  connection: Connection,
  placement: Placement,
  signal: AbortSignal,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  let begun: Promise<string> | undefined;
  function open(): Connection {
    if (!begun) {
      begun = connection.control('begin');
      // Awaited before the commit; until then its failure must not count as unhandled.
      begun.catch(() => {});
    }
    return connection;
  }
  const tx: Transaction = {
    bucket: 'bucket' in placement ? placement.bucket : bucketOf(placement.shardKey),
    signal,
    rows: (query) => open().rows(query),
    first: (query) => open().first(query),
    run: (query) => open().run(query),
  };
  try {
    const result = await work(tx);
    if (begun) {
      await begun;
      signal.throwIfAborted();
      await commit(connection);
    }
    connection.release(false);
    return result;
  } catch (error) {
    const broken =
      isBroken(error) || signal.aborted || (isLoadstoneError(error) && error.code === 'outcome_unknown');
    if (!begun || broken) connection.release(broken);
    else await rollBack(connection);
    throw error;
  }
}

async function rollBack(connection: Connection): Promise<void> {
  const clean = await connection.control('rollback').then(
    () => true,
    () => false,
  );
  connection.release(!clean);
}

/** Runs `work` in a transaction on `pool`, again (with jitter) when Postgres reports a conflict. */
export async function transactOn<T>(
  pool: Pool,
  placement: Placement,
  options: TransactOptions,
  deps: { clock: Clock; random: Random },
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    const connection = await pool.connect(options.signal);
    try {
      return await attempt(connection, placement, options.signal, work);
    } catch (error) {
      if (!isConflict(error) || tries >= ATTEMPTS_MAX) throw error;
      await sleep(deps.clock, RETRY_BASE_MS * 2 ** tries * deps.random.fraction(), options.signal);
    }
  }
}
