/**
 * Thin: parse, call, reply.
 */
import {
  type ErrorFactory,
  handleOlder,
  handleRoute,
  isId,
  type MutationTx,
  parseId,
  type Reply,
  type Route,
  type SystemDeps,
  toTime,
} from 'loadstone';
import * as api from './api.ts';
import { errors } from './errors.ts';
import type { OrdersOptions } from './options.ts';
import { cancel, pay } from './orders.ts';
import { createPlacing } from './placing.ts';
import { reportQueue, viewQueue } from './queues.ts';
import * as store from './store.ts';

const SUPPLIED_MAX = 1_000_000_000;

function presentProduct({ productId, name, stock, supplied, createdAt }: store.StoredProduct): api.Product {
  return { id: productId, name, stock, supplied, createdAt: toTime(createdAt) };
}

function presentOrder(stored: store.StoredOrder): api.Order {
  const { orderId, productId, quantity, reference, state, createdAt } = stored;
  return { id: orderId, productId, quantity, reference, state, createdAt: toTime(createdAt) };
}

const productReply = (status: number) => (product: store.StoredProduct) => ({
  status,
  body: presentProduct(product),
});

const orderReply =
  (status: number) =>
  (order: store.StoredOrder): Reply => ({ status, version: order.version, body: presentOrder(order) });

/** Where the row of an id is. @throws what is not there */
function placeOf(id: string, notFound: ErrorFactory): { bucket: number } {
  if (!isId(id)) throw notFound();
  return { bucket: parseId(id).bucket };
}

export function createRoutes(options: OrdersOptions, deps: Pick<SystemDeps, 'clock' | 'ids'>): Route[] {
  return [...productRoutes(deps), ...orderRoutes(options, deps)];
}

async function supply(
  tx: MutationTx,
  workspaceId: string,
  { productId, quantity }: { productId: string; quantity: number },
): Promise<store.StoredProduct> {
  const product = await store.lockProduct(tx, workspaceId, productId);
  if (product === undefined) throw errors.product_not_found();
  const { stock, supplied } = product;
  if (supplied + quantity > SUPPLIED_MAX) throw errors.stock_too_large();
  await store.addUnits(tx, workspaceId, { productId, units: quantity, supplied: quantity });
  return { ...product, stock: stock + quantity, supplied: supplied + quantity };
}

function productRoutes({ clock, ids }: Pick<SystemDeps, 'clock' | 'ids'>): Route[] {
  const getSales = handleRoute(api.getSales, async ({ params: { id } }, context) => {
    placeOf(id, errors.product_not_found);
    const body = await store.readSales(context.reader(), context.principal.workspaceId, id);
    if (body === undefined) throw errors.product_not_found();
    return { status: 200, body };
  });
  return [
    getSales,
    handleOlder(api.getUnitsSold, getSales),

    handleRoute(api.addProduct, ({ body: { name, stock } }, { principal: { workspaceId }, mutate }) =>
      mutate(
        { shardKey: name },
        async (tx) => {
          const productId = ids.next(tx.bucket);
          const product = { productId, name, stock, supplied: stock, createdAt: new Date(clock.nowMs()) };
          await store.insertProduct(tx, { workspaceId, bucket: tx.bucket }, product);
          return product;
        },
        productReply(201),
      ),
    ),

    handleRoute(api.getProduct, async ({ params: { id } }, { principal: { workspaceId }, reader }) => {
      placeOf(id, errors.product_not_found);
      const product = await store.findProduct(reader(), workspaceId, id);
      if (product === undefined) throw errors.product_not_found();
      return productReply(200)(product);
    }),

    handleRoute(api.listProducts, async ({ query }, { principal: { workspaceId }, reader }) => ({
      status: 200,
      body: await store.oldestFirst.page(
        query,
        (keyset) => store.selectProducts(reader(), workspaceId, keyset),
        presentProduct,
      ),
    })),

    handleRoute(api.supplyProduct, async ({ params: { id }, body }, { principal: { workspaceId }, mutate }) =>
      mutate(
        placeOf(id, errors.product_not_found),
        (tx) => supply(tx, workspaceId, { productId: id, ...body }),
        productReply(200),
      ),
    ),

    handleRoute(api.viewProduct, async ({ params: { id } }, { principal: { workspaceId }, mutate }) =>
      mutate(
        placeOf(id, errors.product_not_found),
        async (tx) => {
          const product = await store.findProduct(tx, workspaceId, id);
          if (product === undefined) throw errors.product_not_found();
          tx.enqueue(viewQueue.job({ productId: id }));
        },
        () => ({ status: 202 }),
      ),
    ),
  ];
}

function orderRoutes(
  { payWithinMs, quantityMax }: OrdersOptions,
  { clock, ids }: Pick<SystemDeps, 'clock' | 'ids'>,
): Route[] {
  const placing = createPlacing({ ids, nowMs: clock.nowMs, payWithinMs });
  return [
    handleRoute(api.placeOrder, async ({ body }, { mutateInSet }) => {
      if (body.quantity > quantityMax) throw errors.quantity_too_large({ detail: `at most ${quantityMax}` });
      return mutateInSet(placeOf(body.productId, errors.product_not_found), placing, body, orderReply(201));
    }),

    handleRoute(api.getOrder, async ({ params: { id } }, { principal: { workspaceId }, reader }) => {
      placeOf(id, errors.order_not_found);
      const order = await store.findOrder(reader(), workspaceId, id);
      if (order === undefined) throw errors.order_not_found();
      return orderReply(200)(order);
    }),

    handleRoute(
      api.listOrders,
      async ({ query: { state, ...query } }, { principal: { workspaceId }, reader }) => ({
        status: 200,
        body: await store.newestFirst.page(
          query,
          (keyset) => store.selectOrders(reader(), { workspaceId, state }, keyset),
          presentOrder,
        ),
      }),
    ),

    handleRoute(
      api.cancelOrder,
      async ({ params: { id }, preconditions }, { principal: { workspaceId }, mutate }) =>
        mutate(
          placeOf(id, errors.order_not_found),
          (tx) => cancel(tx, { workspaceId, orderId: id }, preconditions),
          orderReply(200),
        ),
    ),

    handleRoute(api.payOrder, async ({ params: { id } }, { principal: { workspaceId }, mutate }) =>
      mutate(
        placeOf(id, errors.order_not_found),
        (tx) => pay(tx, { workspaceId, orderId: id }),
        orderReply(200),
      ),
    ),

    handleRoute(api.requestReport, (_, { principal: { workspaceId }, mutate }) =>
      mutate(
        { shardKey: workspaceId },
        async (tx) => tx.enqueue(reportQueue.job({})),
        (jobId) => ({ status: 202, body: { jobId } }),
      ),
    ),
  ];
}
