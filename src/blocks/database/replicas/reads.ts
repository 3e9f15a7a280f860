/**
 * Sends each read where its consistency allows. A replica that fails is no reason for a read to fail: it changes nothing,
 * and so is tried once more, on the primary.
 */
import { isLoadstoneError } from '#base/errors';
import type { ReplicaMetrics } from '../metrics.ts';
import type { ReadOptions } from '../port.ts';
import type { Pool } from '../primary/pool.ts';
import type { Reader, Role } from '../queryable.ts';
import type { Replicas } from './replicas.ts';

export interface ReadsDeps {
  pool: (role: Role) => Pool;
  replicas: Replicas;
  metrics: ReplicaMetrics;
}

/** What the primary would answer no better. */
const FINAL = new Set(['deadline_exceeded', 'stopped']);

function mayFareBetter(error: unknown, signal: AbortSignal | undefined): boolean {
  return !signal?.aborted && isLoadstoneError(error) && !FINAL.has(error.code);
}

export function createReader(options: ReadOptions, { pool, replicas, metrics }: ReadsDeps): Reader {
  const { consistency, signal, role = 'app' } = options;

  async function read<T>(work: (reader: Reader) => Promise<T>): Promise<T> {
    const onPrimary = (reason: 'asked' | 'none_usable' | 'behind' | 'failed') => {
      metrics.read(consistency, 'primary', reason);
      return work(pool(role).queryable(signal));
    };
    if (consistency === 'strong') return onPrimary('asked');
    const choice = replicas.choose(options);
    if (choice.kind === 'primary') return onPrimary(choice.why);
    try {
      const answer = await choice.replica.read(role, signal, choice.after, work);
      if (answer.kind === 'behind') return onPrimary('behind');
      metrics.read(consistency, 'replica', 'asked');
      return answer.value;
    } catch (error) {
      if (!mayFareBetter(error, signal)) throw error;
      return onPrimary('failed');
    }
  }

  return {
    rows: (query) => read((queryable) => queryable.rows(query)),
    first: (query) => read((queryable) => queryable.first(query)),
  };
}
