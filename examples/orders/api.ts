/**
 * The shapes of the API: validation, OpenAPI and the reference are made from these.
 */
import {
  defineRaw,
  defineRoute,
  defineStep,
  olderVersion,
  pageOf,
  pageQuery,
  queueErrors,
  type Static,
  systemErrors,
  Type,
  timeField,
  versionHeader,
} from 'loadstone';
import { errors } from './errors.ts';

export { orderCancelled, orderExpired, orderPlaced } from './events.ts';
export { queues } from './queues.ts';

const closed = { additionalProperties: false } as const;
const ID = '117896458777124864';

const Id = (description: string) => Type.String({ description, examples: [ID] });
const Quantity = Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'Units.', examples: [2] });
const Reference = Type.String({
  ...{ minLength: 1, maxLength: 100, examples: ['desk 12'] },
  description: "The buyer's own words for the order.",
});
const OrderState = Type.Union(
  [
    Type.Literal('placed'),
    Type.Literal('paid'),
    Type.Literal('confirmed'),
    Type.Literal('cancelled'),
    Type.Literal('expired'),
  ],
  { title: 'OrderState', description: 'The first three are living orders: their units are not in stock.' },
);

export const Product = Type.Object(
  {
    id: Id('A 64-bit number as a string.'),
    name: Type.String({ minLength: 1, maxLength: 100, examples: ['tea'] }),
    stock: Type.Integer({ description: 'Units that can be ordered.', examples: [20] }),
    supplied: Type.Integer({ description: 'All units that were ever put in.', examples: [20] }),
    createdAt: timeField('When it was made.'),
  },
  { ...closed, title: 'Product', description: 'Something to order, so many units of it.' },
);
export type Product = Static<typeof Product>;

export const Order = Type.Object(
  {
    id: Id('A 64-bit number as a string.'),
    productId: Id('What is ordered.'),
    quantity: Quantity,
    reference: Reference,
    state: OrderState,
    createdAt: timeField('When it was placed.'),
  },
  { ...closed, title: 'Order', description: 'Units of one product for one buyer.' },
);
export type Order = Static<typeof Order>;

const ById = Type.Object({ id: Id('The id.') }, closed);

export const addProduct = defineRoute({
  method: 'POST',
  idempotency: 'transaction',
  path: '/v1/products',
  id: 'addProduct',
  summary: 'Add a product',
  access: 'orders:supply',
  body: Type.Object(
    {
      name: Type.String({ minLength: 1, maxLength: 100, examples: ['tea'] }),
      stock: Type.Integer({ minimum: 0, maximum: 1_000_000_000, examples: [20] }),
    },
    { ...closed, title: 'NewProduct' },
  ),
  replies: { 201: Product },
});

export const getProduct = defineRoute({
  method: 'GET',
  path: '/v1/products/:id',
  id: 'getProduct',
  summary: 'Read a product',
  access: 'orders:read',
  params: ById,
  replies: { 200: Product },
  errors: [errors.product_not_found],
});

export const listProducts = defineRoute({
  method: 'GET',
  path: '/v1/products',
  id: 'listProducts',
  summary: 'List products, oldest first',
  access: 'orders:read',
  query: pageQuery(),
  replies: { 200: pageOf(Product) },
  errors: [systemErrors.cursor_invalid],
});

export const supplyProduct = defineRoute({
  method: 'POST',
  idempotency: 'transaction',
  path: '/v1/products/:id/supplies',
  id: 'supplyProduct',
  summary: 'Put units into stock',
  access: 'orders:supply',
  params: ById,
  body: Type.Object({ quantity: Quantity }, { ...closed, title: 'Supply' }),
  replies: { 200: Product },
  errors: [errors.product_not_found, errors.stock_too_large],
});

export const viewProduct = defineRoute({
  method: 'POST',
  idempotency: 'none',
  path: '/v1/products/:id/views',
  id: 'viewProduct',
  summary: 'Tell of a look at a product',
  description: 'Counted a little later; while too many wait to be counted, not at all.',
  access: 'orders:write',
  params: ById,
  replies: { 202: null },
  errors: [errors.product_not_found],
});

const units = Type.Integer({ description: 'In living orders.', examples: [2] });
const views = Type.Integer({ description: 'Looks at it that were counted.', examples: [40] });
const Sales = Type.Object({ units, views }, { ...closed, title: 'Sales' });

export const getSales = defineRoute({
  method: 'GET',
  path: '/v2/products/:id/sales',
  id: 'getSales',
  summary: 'How a product sells',
  description: 'Made from events and jobs: behind the truth by milliseconds, and by as much as they lag.',
  access: 'orders:read',
  params: ById,
  replies: { 200: Sales },
  errors: [errors.product_not_found],
  consistency: 'eventual',
});

/** For programs from the time when looks were not counted. The handler of /v2 answers, through this step. */
export const getUnitsSold = olderVersion(getSales, {
  path: '/v1/products/:id/sales',
  id: 'getUnitsSold',
  replies: {
    200: defineStep(Sales, Type.Object({ units }, { ...closed, title: 'UnitsSold' }), (sales) => ({
      units: sales.units,
    })),
  },
  deprecated: { since: '2026-12-01', sunset: '2027-12-01', link: 'https://example.com/orders/v2' },
});

export const placeOrder = defineRoute({
  method: 'POST',
  idempotency: 'transaction',
  path: '/v1/orders',
  id: 'placeOrder',
  summary: 'Place an order',
  description: 'Its units are taken from stock until it is cancelled, or expires because nobody pays.',
  access: 'orders:write',
  body: Type.Object(
    {
      productId: Id('What to order.'),
      quantity: Quantity,
      reference: Reference,
      isPaid: Type.Optional(Type.Boolean({ description: 'It is paid already. Default: it is not.' })),
    },
    { ...closed, title: 'NewOrder' },
  ),
  replies: { 201: Order },
  replyHeaders: versionHeader,
  errors: [errors.product_not_found, errors.out_of_stock, errors.quantity_too_large, queueErrors.queue_full],
});

export const getOrder = defineRoute({
  method: 'GET',
  path: '/v1/orders/:id',
  id: 'getOrder',
  summary: 'Read an order',
  access: 'orders:read',
  precondition: 'version',
  params: ById,
  replies: { 200: Order },
  errors: [errors.order_not_found],
});

export const listOrders = defineRoute({
  method: 'GET',
  path: '/v1/orders',
  id: 'listOrders',
  summary: 'List orders, newest first',
  access: 'orders:read',
  query: pageQuery(undefined, { state: Type.Optional(OrderState) }),
  replies: { 200: pageOf(Order) },
  errors: [systemErrors.cursor_invalid],
});

export const exportOrders = defineRaw({
  method: 'GET',
  path: '/v1/orders/export',
  id: 'exportOrders',
  summary: 'All orders as CSV, newest first',
  access: 'orders:read',
  replies: { 200: null },
  consistency: 'eventual',
});

export const cancelOrder = defineRoute({
  method: 'DELETE',
  path: '/v1/orders/:id',
  id: 'cancelOrder',
  summary: 'Cancel an order',
  description: 'Gives its units back. With `If-Match` only if nothing has become of it since.',
  access: 'orders:write',
  precondition: 'version',
  params: ById,
  replies: { 200: Order },
  errors: [errors.order_not_found, errors.order_closed],
});

export const payOrder = defineRoute({
  method: 'POST',
  idempotency: 'transaction',
  path: '/v1/orders/:id/payment',
  id: 'payOrder',
  summary: 'Pay an order',
  description: 'It is confirmed a little later. While too many wait for that, payments are refused.',
  access: 'orders:write',
  params: ById,
  replies: { 200: Order },
  replyHeaders: versionHeader,
  errors: [errors.order_not_found, errors.order_closed, queueErrors.queue_full],
});

export const requestReport = defineRoute({
  method: 'POST',
  idempotency: 'transaction',
  path: '/v1/orders/reports',
  id: 'requestReport',
  summary: 'Have orders counted by state',
  description:
    'The counts are the result of the job: `GET /v1/jobs/{id}`. While too many wait, it waits too.',
  access: 'orders:read',
  replies: { 202: Type.Object({ jobId: Id('Of the job.') }, { ...closed, title: 'RequestedReport' }) },
  errors: [queueErrors.queue_full],
});
