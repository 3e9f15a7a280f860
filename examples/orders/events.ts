/**
 * What is told of orders on the stream `orders`. Events of one order stay in order.
 */
import { defineEvent, Type } from 'loadstone';

const about = {
  orderId: Type.String(),
  productId: Type.String(),
  quantity: Type.Integer(),
};
const ofOrder = { stream: 'orders', key: ({ orderId }: { orderId: string }) => orderId };

/** Version 1 is from the time when no order was paid as it was placed. */
export const orderPlaced = defineEvent('order.placed', Type.Object({ ...about, isPaid: Type.Boolean() }), {
  ...ofOrder,
  version: 2,
  upgrades: { 1: (old: Record<string, unknown>) => ({ ...old, isPaid: false }) },
});

/** By whoever has placed it. */
export const orderCancelled = defineEvent('order.cancelled', Type.Object(about), ofOrder);

/** Nobody has paid. */
export const orderExpired = defineEvent('order.expired', Type.Object(about), ofOrder);
