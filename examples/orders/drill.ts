/**
 * What `loadstone drill` does with orders: they are placed, read and cancelled while servers are killed. In the end every
 * order that was acknowledged is there, and no unit is lost or sold twice.
 */
import type { DrillGet, DrillOperation, DrillRequest, Random, SystemDrill } from 'loadstone';
import {
  addProduct,
  cancelOrder,
  getOrder,
  listOrders,
  listProducts,
  type Order,
  orderCancelled,
  orderExpired,
  orderPlaced,
  type Product,
  placeOrder,
} from './api.ts';
import { expiryQueue } from './queues.ts';

const PAGE = 100;
const PRODUCTS = 4;
const STOCK = 1_000_000;
const PAY_WITHIN_MS = 1500;
const LIVING = new Set(['placed', 'paid', 'confirmed']);

/** Of the products that this drill has made. */
const productIds: string[] = [];

/** Every item of a list, page by page. */
async function* all<Item>(get: DrillGet, path: string): AsyncIterable<Item> {
  for (let cursor: string | null = ''; cursor !== null; ) {
    const after: string = cursor && `&cursor=${encodeURIComponent(cursor)}`;
    const page: { items: Item[]; nextCursor: string | null } = await get(`${path}?limit=${PAGE}${after}`);
    yield* page.items;
    cursor = page.nextCursor;
  }
}

const order = (isPaid: boolean, reference: string, random: Random): DrillRequest => {
  const productId = productIds[Math.floor(random.fraction() * productIds.length)];
  return { method: 'POST', path: placeOrder.path, body: { productId, quantity: 1, reference, isPaid } };
};

const place: DrillOperation = {
  ...{ route: placeOrder, effect: 'create', weight: 35 },
  request: (_, reference, random) => order(true, reference, random),
  learn: ({ body }) => ({ id: String(body.id) }),
};

/** Nobody pays it: it expires, once. */
const placeUnpaid: DrillOperation = {
  ...{ route: placeOrder, effect: 'create', weight: 5, isBrief: true, job: expiryQueue.name },
  request: (_, reference, random) => order(false, reference, random),
  learn: ({ body }) => ({ id: String(body.id) }),
};

const read: DrillOperation = {
  ...{ route: getOrder, effect: 'read', weight: 50 },
  request: ({ id }) => ({ method: 'GET', path: `${listOrders.path}/${id}` }),
  // A cancelled order can still be read: it is not there as an order any more.
  learn: ({ body }) => (LIVING.has(String(body.state)) ? { value: String(body.reference) } : {}),
};

const cancel: DrillOperation = {
  ...{ route: cancelOrder, effect: 'remove', weight: 10 },
  request: ({ id }) => ({ method: 'DELETE', path: `${listOrders.path}/${id}` }),
};

/** Units of all products and orders. */
async function figures(get: DrillGet): Promise<Record<string, number>> {
  const sums = { supplied: 0, stock: 0, ordered: 0, belowZero: 0 };
  for await (const { supplied, stock } of all<Product>(get, listProducts.path)) {
    sums.supplied += supplied;
    sums.stock += Math.max(0, stock);
    if (stock < 0) sums.belowZero += 1;
  }
  for await (const { state, quantity } of all<Order>(get, listOrders.path))
    if (LIVING.has(state)) sums.ordered += quantity;
  return sums;
}

export const ordersDrill: SystemDrill = {
  async prepare(send) {
    productIds.length = 0;
    for (let n = 1; n <= PRODUCTS; n++) {
      const body = { name: `product ${n}`, stock: STOCK };
      const answer = await send({ method: 'POST', path: addProduct.path, body });
      productIds.push(String(answer.body.id));
    }
  },
  operations: { place, placeUnpaid, read, cancel },
  options: { payWithinMs: PAY_WITHIN_MS },
  readBack: {
    route: listOrders,
    async *list(get) {
      for await (const { id, reference, state } of all<Order>(get, listOrders.path))
        if (state !== 'cancelled') yield [id, reference];
    },
    one: async (get, id) => (await get<Order>(`${listOrders.path}/${id}`)).reference,
    figures,
  },
  events: {
    stream: 'orders',
    created: orderPlaced.name,
    removed: orderCancelled.name,
    byJob: orderExpired.name,
  },
  invariants({ figures: { supplied = 0, stock = 0, ordered = 0, belowZero = 0 } }) {
    const isSo = stock + ordered === supplied && belowZero === 0;
    return [
      {
        claim: 'units in stock and in living orders are those that were put in',
        figures: `${supplied} put in: ${stock} in stock, ${ordered} ordered`,
        problems: isSo ? [] : [`${stock} + ${ordered} is not ${supplied}; ${belowZero} products below zero`],
      },
    ];
  },
};
