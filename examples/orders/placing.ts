/**
 * How orders are placed: a rule over many calls. What arrives while a set of orders is on its way to the database travels
 * together in the next: their products are locked in one statement, units are taken in memory, call by call, and what is left
 * of each product is written in one statement that travels with the commit. So nothing is oversold, and many buyers of
 * one product are not slower than one after the other.
 */
import { done, held, type Ids, refuse, type SetCall, type SetRule, type Verdict } from 'loadstone';
import { errors } from './errors.ts';
import { orderPlaced } from './events.ts';
import { confirmationQueue, expiryQueue } from './queues.ts';
import {
  type FoundProducts,
  insertOrders,
  keyOf,
  lockProducts,
  type PlacedOrder,
  type StoredOrder,
  setStock,
} from './store.ts';

export interface Placing {
  productId: string;
  quantity: number;
  reference: string;
  isPaid?: boolean;
}

export interface PlacingDeps {
  ids: Pick<Ids, 'next'>;
  nowMs: () => number;
  payWithinMs: number;
}

export function createPlacing({
  ids,
  nowMs,
  payWithinMs,
}: PlacingDeps): SetRule<Placing, StoredOrder, FoundProducts> {
  function placeOne(call: SetCall<Placing>, found: FoundProducts): Verdict<PlacedOrder> {
    const { productId, quantity, reference, isPaid = false } = call.input;
    const product = found.get(keyOf(call.workspaceId, productId));
    if (product === undefined) return refuse(errors.product_not_found());
    if (product === 'elsewhere') return held;
    if (product.stock < quantity)
      return refuse(errors.out_of_stock({ detail: `${product.stock} in stock, ${quantity} asked for` }));
    product.stock -= quantity;
    product.isChanged = true;
    const orderId = ids.next(call.bucket);
    call.publish(orderPlaced.of({ orderId, productId, quantity, isPaid }));
    call.enqueue(
      isPaid ? confirmationQueue.job({ orderId }) : expiryQueue.job({ orderId }, { delayMs: payWithinMs }),
    );
    const { workspaceId, bucket } = call;
    const asked = { orderId, productId, quantity, reference };
    const order: PlacedOrder = {
      ...{ ...asked, workspaceId, bucket, state: isPaid ? 'paid' : 'placed', version: 1 },
      createdAt: new Date(nowMs()),
    };
    return done(order);
  }

  return {
    name: 'orders.place',
    aggregate: ({ productId }) => productId,
    find: (tx, calls) =>
      lockProducts(
        tx,
        calls.map(({ workspaceId, input: { productId } }) => ({ workspaceId, productId })),
      ),
    async decide(tx, calls, found) {
      const verdicts = calls.map((call) => placeOne(call, found));
      const orders = verdicts.flatMap((verdict) => (verdict.kind === 'done' ? [verdict.value] : []));
      if (orders.length > 0) {
        tx.withCommit(setStock(tx, found));
        tx.withCommit(insertOrders(tx, orders));
      }
      return verdicts;
    },
  };
}
