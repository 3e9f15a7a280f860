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

export const orderPlaced = defineEvent('order.placed', Type.Object(about), ofOrder);

/** Version 1 did not say why: then an order was cancelled only by whoever had placed it. */
export const orderCancelled = defineEvent(
  'order.cancelled',
  Type.Object({ ...about, reason: Type.Union([Type.Literal('asked'), Type.Literal('expired')]) }),
  {
    ...ofOrder,
    version: 2,
    upgrades: { 1: (old: Record<string, unknown>) => ({ ...old, reason: 'asked' }) },
  },
);
