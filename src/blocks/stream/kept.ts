/**
 * Whether the log still has everything after a position.
 */
import { streamErrors } from './errors.ts';
import type { StreamInfo } from './event.ts';
import type { LogStore } from './store.ts';

/**
 * To be asked after a read, if there is one: what is kept now was kept then.
 * @throws position_expired when retention has dropped what may have come after `position`
 */
export async function assertKept(
  store: Pick<LogStore, 'firstKept'>,
  { name }: StreamInfo,
  position: string,
): Promise<void> {
  const first = await store.firstKept();
  if (BigInt(first) <= BigInt(position) + 1n) return;
  throw streamErrors.position_expired({ detail: `of ${name} events from position ${first} on are kept` });
}
