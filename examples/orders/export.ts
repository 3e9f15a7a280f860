/**
 * All orders as CSV. A raw route: rows are sent as they are read, page by page and no faster than the client takes them, where
 * the framework would hold the whole answer.
 */
import { pipeline } from 'node:stream/promises';
import { handleRaw, type RawRoute, type Reader, type SystemDeps, toTime } from 'loadstone';
import { exportOrders } from './api.ts';
import { newestFirst, type StoredOrder, selectOrders } from './store.ts';

const PAGE = 500;

const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;

const toLine = ({ orderId, productId, quantity, reference, state, createdAt }: StoredOrder) =>
  `${orderId},${productId},${quantity},${quoted(reference)},${state},${toTime(createdAt)}\r\n`;

async function* readLines(reader: Reader, workspaceId: string): AsyncGenerator<string> {
  yield 'id,productId,quantity,reference,state,createdAt\r\n';
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const query: { limit: number; cursor?: string } = { limit: PAGE, ...(cursor && { cursor }) };
    const { items, nextCursor } = await newestFirst.page(
      query,
      (keyset) => selectOrders(reader, { workspaceId, state: undefined }, keyset),
      toLine,
    );
    yield items.join('');
    cursor = nextCursor;
  }
}

export function createExport({ database, metrics }: Pick<SystemDeps, 'database' | 'metrics'>): RawRoute {
  const ended = metrics.counter('orders_exports_total', {
    help: 'Exports of all orders: sent to their end (whole), or not (cut)',
    labels: { result: ['whole', 'cut'] },
  });
  return handleRaw(exportOrders, async (call) => {
    const signal = call.signal();
    const reader = database.reader({ consistency: 'eventual', signal });
    const lines = readLines(reader, call.principal?.workspaceId ?? '');
    let result = 'cut';
    try {
      await pipeline(lines, call.writeHead(200, ['content-type', 'text/csv; charset=utf-8']), { signal });
      result = 'whole';
    } finally {
      ended.inc({ result });
    }
  });
}
