/**
 * The queues of orders. What an enqueue does when one is full follows from what its jobs are worth.
 */
import { defineQueue, Type } from 'loadstone';

const OrderNamed = Type.Object({ orderId: Type.String() });

/** One job for each order that is not paid yet, so the queue holds as many as there are such orders. */
export const expiryQueue = defineQueue('orders_expiry', OrderNamed, {
  waitingMax: 1_000_000_000,
  whenDrained: 'Their orders keep their units until they are paid or cancelled.',
});

/** An order that is paid must be confirmed: past the bound a payment is refused, and its caller tries again. */
export const confirmationQueue = defineQueue('orders_confirmation', OrderNamed, {
  whenFull: 'reject',
  whenDrained: 'Their orders stay paid, and are not confirmed.',
});

/** A look at a product is worth little: past the bound it is not counted, and nobody waits. */
export const viewQueue = defineQueue('orders_views', Type.Object({ productId: Type.String() }), {
  whenFull: 'drop',
  attemptsMax: 3,
  whenDrained: 'These views are not counted.',
});

/** A report takes long, and whoever asks has time: past the bound the request waits for room. */
export const reportQueue = defineQueue('orders_report', Type.Object({}), {
  whenFull: 'block',
  whenDrained: 'Whoever asked has to ask again.',
});

export const queues = [expiryQueue, confirmationQueue, viewQueue, reportQueue] as const;
