import { defineErrors } from 'loadstone';

export const errors = defineErrors('orders', {
  product_not_found: {
    status: 404,
    title: 'There is no such product',
    doc: 'No product of this workspace has this id.',
  },
  order_not_found: {
    status: 404,
    title: 'There is no such order',
    doc: 'No order of this workspace has this id.',
  },
  out_of_stock: {
    status: 409,
    title: 'There are not enough units in stock',
    doc: 'The order asks for more units than are in stock. Ask for fewer, or again when some are supplied or given back.',
  },
  quantity_too_large: {
    status: 422,
    title: 'The order is too large',
    doc: 'It asks for more units than `orders.quantityMax` allows.',
  },
  order_closed: {
    status: 409,
    title: 'The order is not open for this any more',
    doc: 'An order is paid once, and cancelled once, and neither when it has expired.',
  },
  stock_too_large: {
    status: 422,
    title: 'There would be too many units',
    doc: 'Of a product at most 1,000,000,000 units are supplied in all.',
  },
});
