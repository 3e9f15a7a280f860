import { optionsSchema, type Static, Type } from 'loadstone';

export const ordersOptions = optionsSchema(
  {
    payWithinMs: Type.Integer({
      minimum: 50,
      maximum: 86_400_000,
      default: 900_000,
      description: 'How long an order waits to be paid; then it expires and its units are in stock again.',
    }),
    quantityMax: Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      default: 100,
      description: 'Most units of one order.',
    }),
  },
  'Orders.',
);

export type OrdersOptions = Static<typeof ordersOptions>;
