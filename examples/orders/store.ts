/**
 * All SQL of orders. Every statement is scoped by the workspace.
 */
import {
  type Keyed,
  type Keyset,
  listOrder,
  numbers,
  type Queryable,
  type Reader,
  type SetTx,
  sql,
  texts,
  times,
} from 'loadstone';
import type { Order } from './api.ts';

export interface StoredOrder extends Omit<Order, 'id' | 'createdAt'> {
  orderId: string;
  version: number;
  createdAt: Date;
}

/** A new order in its place. */
export interface PlacedOrder extends StoredOrder {
  workspaceId: string;
  bucket: number;
}

export interface StoredProduct {
  productId: string;
  name: string;
  stock: number;
  supplied: number;
  createdAt: Date;
}

/** A product whose row is locked, as the calls of a set have left it so far. */
export interface LockedProduct {
  workspaceId: string;
  productId: string;
  stock: number;
  isChanged: boolean;
}

/** By `keyOf`; `elsewhere` when its row is locked by another transaction. Absent when there is none. */
export type FoundProducts = Map<string, LockedProduct | 'elsewhere'>;

export const keyOf = (workspaceId: string, productId: string) => `${workspaceId} ${productId}`;

const productColumns = sql`product_id as "productId", name, stock, supplied, created_at as "createdAt"`;
const orderColumns = sql`order_id as "orderId", product_id as "productId", quantity, reference, state, version,
  created_at as "createdAt"`;

export const oldestFirst = listOrder('products', 'asc', [{ column: sql`product_id`, type: 'bigint' }]);
export const newestFirst = listOrder('orders', 'desc', [{ column: sql`order_id`, type: 'bigint' }]);

export async function insertProduct(
  tx: Queryable,
  { workspaceId, bucket }: { workspaceId: string; bucket: number },
  { productId, name, stock, createdAt }: StoredProduct,
): Promise<void> {
  await tx.run(sql`insert into orders.products (workspace_id, bucket, product_id, name, stock, supplied, created_at)
    values (${workspaceId}, ${bucket}, ${productId}, ${name}, ${stock}, ${stock}, ${createdAt})`);
}

export function findProduct(
  reader: Pick<Reader, 'first'>,
  workspaceId: string,
  productId: string,
): Promise<StoredProduct | undefined> {
  return reader.first(sql<StoredProduct>`select ${productColumns} from orders.products
    where workspace_id = ${workspaceId} and product_id = ${productId}`);
}

export function selectProducts(
  reader: Reader,
  workspaceId: string,
  { keys, after, orderAndLimit }: Keyset,
): Promise<Keyed<StoredProduct>[]> {
  return reader.rows(sql<Keyed<StoredProduct>>`select ${productColumns}, ${keys} from orders.products
    where workspace_id = ${workspaceId} and ${after} ${orderAndLimit}`);
}

/** Waits for the row. Undefined where there is none. */
export function lockProduct(tx: Queryable, workspaceId: string, productId: string) {
  return tx.first(sql<StoredProduct>`select ${productColumns} from orders.products
    where workspace_id = ${workspaceId} and product_id = ${productId} for update`);
}

export async function addUnits(
  tx: Queryable,
  workspaceId: string,
  { productId, units, supplied }: { productId: string; units: number; supplied: number },
): Promise<void> {
  await tx.run(sql`update orders.products set stock = stock + ${units}, supplied = supplied + ${supplied}
    where workspace_id = ${workspaceId} and product_id = ${productId}`);
}

/** Locks those that there are, in the order of their keys. */
export async function lockProducts(
  tx: Pick<SetTx, 'rows' | 'lock'>,
  products: readonly { workspaceId: string; productId: string }[],
): Promise<FoundProducts> {
  const rows = await tx.rows(sql<{
    workspaceId: string;
    productId: string;
    stock: number | null;
  }>`
    with asked as (
      select distinct workspace_id, product_id
      from unnest(${numbers(products.map(({ workspaceId }) => workspaceId))}::bigint[],
        ${numbers(products.map(({ productId }) => productId))}::bigint[]) as asked (workspace_id, product_id)
    ), locked as materialized (
      select workspace_id, product_id, stock from asked join orders.products as products using (workspace_id, product_id)
      order by workspace_id, product_id ${tx.lock}
    )
    select asked.workspace_id as "workspaceId", asked.product_id as "productId", locked.stock
    from asked left join locked using (workspace_id, product_id)
    where locked.stock is not null or exists (
      select from orders.products as there
      where there.workspace_id = asked.workspace_id and there.product_id = asked.product_id
    )`);
  return new Map(
    rows.map(({ workspaceId, productId, stock }) => [
      keyOf(workspaceId, productId),
      stock === null ? 'elsewhere' : { workspaceId, productId, stock, isChanged: false },
    ]),
  );
}

/** Writes what is left of the products that have changed. */
export function setStock(tx: Queryable, found: FoundProducts): Promise<number> {
  const changed = [...found.values()].filter((each) => each !== 'elsewhere').filter((each) => each.isChanged);
  const column = <K extends keyof LockedProduct>(name: K) => changed.map((each) => each[name]);
  return tx.run(sql`update orders.products as products set stock = given.stock
    from unnest(${numbers(column('workspaceId'))}::bigint[], ${numbers(column('productId'))}::bigint[],
      ${numbers(column('stock'))}::integer[]) as given (workspace_id, product_id, stock)
    where products.workspace_id = given.workspace_id and products.product_id = given.product_id`);
}

export function insertOrders(tx: Queryable, orders: readonly PlacedOrder[]): Promise<number> {
  const column = <K extends keyof PlacedOrder>(name: K) => orders.map((order) => order[name]);
  const created = times(orders.map(({ createdAt }) => createdAt.getTime()));
  return tx.run(sql`insert into orders.orders (workspace_id, bucket, order_id, product_id, quantity, reference, state,
      version, created_at)
    select workspace_id, bucket, order_id, product_id, quantity, reference, state, version, created_at
    from unnest(${numbers(column('workspaceId'))}::bigint[], ${numbers(column('bucket'))}::smallint[],
      ${numbers(column('orderId'))}::bigint[], ${numbers(column('productId'))}::bigint[],
      ${numbers(column('quantity'))}::integer[], ${texts(column('reference'))}::text[],
      ${texts(column('state'))}::text[], ${numbers(column('version'))}::integer[], ${created}::timestamptz[])
      as placed (workspace_id, bucket, order_id, product_id, quantity, reference, state, version, created_at)`);
}

export function findOrder(
  reader: Reader,
  workspaceId: string,
  orderId: string,
): Promise<StoredOrder | undefined> {
  return reader.first(sql<StoredOrder>`select ${orderColumns} from orders.orders
    where workspace_id = ${workspaceId} and order_id = ${orderId}`);
}

export function selectOrders(
  reader: Reader,
  { workspaceId, state }: { workspaceId: string; state: string | undefined },
  { keys, after, orderAndLimit }: Keyset,
): Promise<Keyed<StoredOrder>[]> {
  const wanted = state === undefined ? sql`true` : sql`state = ${state}`;
  return reader.rows(sql<Keyed<StoredOrder>>`select ${orderColumns}, ${keys} from orders.orders
    where workspace_id = ${workspaceId} and ${wanted} and ${after} ${orderAndLimit}`);
}

export function lockOrder(tx: Queryable, workspaceId: string, orderId: string) {
  return tx.first(sql<StoredOrder>`select ${orderColumns} from orders.orders
    where workspace_id = ${workspaceId} and order_id = ${orderId} for update`);
}

export async function setState(
  tx: Queryable,
  workspaceId: string,
  { orderId, state, version }: StoredOrder,
): Promise<void> {
  await tx.run(sql`update orders.orders set state = ${state}, version = ${version}
    where workspace_id = ${workspaceId} and order_id = ${orderId}`);
}

export async function countByState(reader: Reader, workspaceId: string): Promise<Record<string, number>> {
  const rows = await reader.rows(sql<{ state: string; count: number }>`
    select state, count(*)::float8 as count from orders.orders where workspace_id = ${workspaceId} group by state`);
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
}

export async function addView(
  tx: Queryable,
  place: { workspaceId: string; bucket: number },
  productId: string,
): Promise<void> {
  await tx.run(sql`insert into orders.views as seen (workspace_id, bucket, product_id, views)
    values (${place.workspaceId}, ${place.bucket}, ${productId}, 1)
    on conflict (workspace_id, product_id) do update set views = seen.views + 1`);
}

export function readSales(
  reader: Reader,
  workspaceId: string,
  productId: string,
): Promise<{ units: number; views: number } | undefined> {
  return reader.first(sql<{ units: number; views: number }>`
    select coalesce(units, 0)::float8 as units, coalesce(views, 0)::float8 as views
    from orders.products left join orders.sales using (workspace_id, product_id)
      left join orders.views using (workspace_id, product_id)
    where workspace_id = ${workspaceId} and product_id = ${productId}`);
}
