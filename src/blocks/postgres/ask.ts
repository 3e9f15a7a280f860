/**
 * Single questions to a Postgres of ours, each on a connection of its own: they work beside full pools (as superuser), and
 * a server that hangs costs no more than `timeoutMs`.
 */
import { createClient } from './driver.ts';
import type { PostgresAddress } from './engine.ts';
import { SUPERUSER_NAME } from './settings.ts';

const TIMEOUT_MS = 5000;

/** @throws the driver's errors; also when there is no answer in time */
export async function ask<Row extends object>(
  address: PostgresAddress,
  text: string,
  values: readonly unknown[] = [],
  timeoutMs = TIMEOUT_MS,
): Promise<Row[]> {
  const client = createClient({
    ...address,
    user: SUPERUSER_NAME,
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query<Row>(text, [...values])).rows;
  } finally {
    void client.end().catch(() => {});
  }
}
