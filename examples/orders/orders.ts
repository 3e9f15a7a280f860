/**
 * What becomes of an order once it is placed:
 *
 *   placed ──paid──▶ paid ──its job──▶ confirmed
 *     │ └──cancelled──┴────────────────────┴──▶ cancelled
 *     └──nobody pays──▶ expired
 */
import { type MutationTx, type Preconditions, requireVersion } from 'loadstone';
import { errors } from './errors.ts';
import { orderCancelled, orderExpired } from './events.ts';
import { confirmationQueue } from './queues.ts';
import { addUnits, lockOrder, type StoredOrder, setState } from './store.ts';

interface Named {
  workspaceId: string;
  orderId: string;
}

async function lock(tx: MutationTx, { workspaceId, orderId }: Named): Promise<StoredOrder> {
  const order = await lockOrder(tx, workspaceId, orderId);
  if (order === undefined) throw errors.order_not_found();
  return order;
}

async function move(
  tx: MutationTx,
  { workspaceId }: Named,
  order: StoredOrder,
  state: StoredOrder['state'],
): Promise<StoredOrder> {
  const moved = { ...order, state, version: order.version + 1 };
  await setState(tx, workspaceId, moved);
  return moved;
}

/** The order is locked before its product, here and nowhere the other way round. */
async function giveBack(
  tx: MutationTx,
  named: Named,
  order: StoredOrder,
  state: 'cancelled' | 'expired',
): Promise<StoredOrder> {
  const { orderId, productId, quantity } = order;
  const moved = await move(tx, named, order, state);
  await addUnits(tx, named.workspaceId, { productId, units: quantity, supplied: 0 });
  const event = state === 'expired' ? orderExpired : orderCancelled;
  tx.publish(event.of({ orderId, productId, quantity }));
  return moved;
}

export async function cancel(
  tx: MutationTx,
  named: Named,
  preconditions: Preconditions,
): Promise<StoredOrder> {
  const order = await lock(tx, named);
  requireVersion(preconditions, order.version);
  if (order.state === 'cancelled' || order.state === 'expired')
    throw errors.order_closed({ detail: `it is ${order.state}` });
  return giveBack(tx, named, order, 'cancelled');
}

export async function pay(tx: MutationTx, named: Named): Promise<StoredOrder> {
  const order = await lock(tx, named);
  if (order.state !== 'placed') throw errors.order_closed({ detail: `it is ${order.state}` });
  tx.enqueue(confirmationQueue.job({ orderId: order.orderId }));
  return move(tx, named, order, 'paid');
}

/** By a job, so perhaps more than once: what has become of the order meanwhile stays. */
export async function expire(tx: MutationTx, named: Named): Promise<void> {
  const order = await lock(tx, named);
  if (order.state === 'placed') await giveBack(tx, named, order, 'expired');
}

/** By a job, as `expire`. */
export async function confirm(tx: MutationTx, named: Named): Promise<void> {
  const order = await lock(tx, named);
  if (order.state === 'paid') await move(tx, named, order, 'confirmed');
}
