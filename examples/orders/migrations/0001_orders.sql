-- What is in stock has never gone below zero: the rule sees to it, and the check would stop a rule that is wrong.
create table orders.products (
  workspace_id bigint not null,
  bucket smallint not null,
  product_id bigint not null,
  name text not null,
  stock integer not null check (stock >= 0),
  supplied integer not null,
  created_at timestamptz not null,
  primary key (workspace_id, product_id)
);

-- An order is in its product's bucket, so that one transaction has both.
create table orders.orders (
  workspace_id bigint not null,
  bucket smallint not null,
  order_id bigint not null,
  product_id bigint not null,
  quantity integer not null check (quantity > 0),
  reference text not null,
  state text not null,
  version integer not null,
  created_at timestamptz not null,
  primary key (workspace_id, order_id)
);

-- A projection: units in living orders, by product.
create table orders.sales (
  workspace_id bigint not null,
  bucket smallint not null,
  product_id bigint not null,
  units bigint not null,
  primary key (workspace_id, product_id)
);

create table orders.views (
  workspace_id bigint not null,
  bucket smallint not null,
  product_id bigint not null,
  views bigint not null,
  primary key (workspace_id, product_id)
);
