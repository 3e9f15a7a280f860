/**
 * What is made from the events of orders: units in living orders, by product.
 */
import { defineProjection, numbers, sql } from 'loadstone';
import { orderCancelled, orderExpired, orderPlaced } from './events.ts';

export const sales = defineProjection({
  name: 'orders_sales',
  system: 'orders',
  table: 'sales',
  on: [orderPlaced, orderCancelled, orderExpired],
  async apply(events, tx, table) {
    const units = events.map(({ type, payload: { quantity } }) =>
      type === 'order.placed' ? quantity : -quantity,
    );
    // In one order, so that two batches never wait for each other in a circle.
    await tx.run(sql`
      insert into ${table} as sales (workspace_id, bucket, product_id, units)
      select workspace_id, min(bucket), product_id, sum(units)
      from unnest(${numbers(events.map(({ workspaceId }) => workspaceId))}::bigint[],
        ${numbers(events.map(({ bucket }) => bucket))}::smallint[],
        ${numbers(events.map(({ payload }) => payload.productId))}::bigint[], ${numbers(units)}::bigint[])
        as change (workspace_id, bucket, product_id, units)
      group by workspace_id, product_id
      order by workspace_id, product_id
      on conflict (workspace_id, product_id) do update set units = sales.units + excluded.units`);
  },
  truth: sql`
    select workspace_id, min(bucket) as bucket, product_id,
      coalesce(sum(quantity) filter (where state in ('placed', 'paid', 'confirmed')), 0)::bigint as units
    from orders.orders
    group by workspace_id, product_id`,
});
