/**
 * The example of orders as it stands in its directory, through HTTP: what it sells, what it refuses, and what is left when
 * its server is killed under buyers. Only what is killed is a process of its own: each costs 2 s here.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '#base/testing/eventually.fixture';
import { locateDatabase } from '#fixtures/database';
import { ROOT_KEY, startTestServer, type TestServerOptions } from '#server/server.fixture';
import { createScene, FREE_PORT, ROOT } from '../process.fixture.ts';

interface Product {
  id: string;
  stock: number;
  supplied: number;
}

interface Order {
  id: string;
  state: string;
  quantity: number;
  reference: string;
}

const ORDERS = join(ROOT, 'examples', 'orders');
const scene = createScene({ after });
const data = join(scene.directory(), 'data');
const masterKey = randomBytes(32).toString('base64url');
/** The one that is asked. */
let server: { url: string; stop(): Promise<unknown> };
scene.onEnd(async () => void (await server?.stop()));

const start = (given: TestServerOptions) =>
  startTestServer({ systems: [ORDERS], dataDirectory: data, masterKey, ...given });

async function ask<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const reply = await fetch(`${server.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${ROOT_KEY}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await reply.text();
  return {
    status: reply.status,
    headers: reply.headers,
    body: (text === '' ? {} : JSON.parse(text)) as T & { code?: string },
  };
}

async function add(stock: number): Promise<string> {
  const { status, body } = await ask<Product>('POST', '/v1/products', { name: 'tea', stock });
  assert.equal(status, 201, JSON.stringify(body));
  return body.id;
}

const product = async (id: string) => (await ask<Product>('GET', `/v1/products/${id}`)).body;
const place = (productId: string, quantity: number, reference = 'me', key?: string) =>
  ask<Order>(
    'POST',
    '/v1/orders',
    { productId, quantity, reference },
    key === undefined ? {} : { 'idempotency-key': key },
  );

async function orders(query = ''): Promise<Order[]> {
  const items: Order[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const path: string = `/v1/orders?limit=50${query}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`;
    const { body } = await ask<{ items: Order[]; nextCursor: string | null }>('GET', path);
    items.push(...body.items);
    cursor = body.nextCursor;
  }
  return items;
}

test('many buyers at once oversell nothing, though the server is killed, and every order answered is there', async () => {
  const [stock, buyers] = [30, 80];
  const args = ['--data', data, '--listen', FREE_PORT, '--systems', ORDERS];
  const env = { LOADSTONE_ROOT_KEY: ROOT_KEY, LOADSTONE_MASTER_KEY: masterKey };
  const killed = await scene.start({ data, args, env, key: ROOT_KEY });
  server = killed;
  const productId = await add(stock);
  const buy = (n: number) => place(productId, 1, `buyer ${n}`, `buyer-${n}`).catch(() => undefined);
  const all = Array.from({ length: buyers }, (_, n) => n);
  const first = all.map(buy);
  const answered = await Promise.race(first);
  assert.equal(answered?.status, 201);
  await killed.kill9();
  const answers = await Promise.all(first);
  server = await start({});
  // Those that were answered are answered the same again; those that were not, now.
  const again = await Promise.all(all.map(buy));
  for (const [n, before] of answers.entries())
    if (before?.status === 201) assert.equal(again[n]?.body.id, before.body.id);
  assert.deepEqual(
    [201, 409].map((wanted) => again.filter((each) => each?.status === wanted).length),
    [stock, buyers - stock],
  );
  const { stock: left, supplied } = await product(productId);
  assert.deepEqual([left, supplied], [0, stock]);
  const sold = (await orders('&state=placed')).filter(({ reference }) => reference.startsWith('buyer '));
  assert.equal(new Set(sold.map(({ reference }) => reference)).size, stock);
  const command = (...words: string[]) => scene.run([...words, '--data', data, '--systems', ORDERS]);
  const verified = await command('verify');
  assert.match(verified.stdout, /orders_sales/);
  const rebuilt = await command('rebuild', 'orders_sales');
  assert.deepEqual([verified.code, rebuilt.code], [0, 0], verified.stderr + rebuilt.stderr);
});

describe('orders', () => {
  test('take units from stock, and give them back when they are cancelled at the version that was read', async () => {
    const productId = await add(3);
    const placed = await place(productId, 2, 'desk 12', 'first');
    assert.deepEqual([placed.status, placed.body.state, placed.headers.get('etag')], [201, 'placed', '"1"']);
    const again = await place(productId, 2, 'desk 12', 'first');
    assert.equal(again.headers.get('idempotency-replayed'), 'true');
    assert.equal(again.body.id, placed.body.id);
    assert.equal((await product(productId)).stock, 1);

    const refused = await place(productId, 2);
    assert.deepEqual([refused.status, refused.body.code], [409, 'out_of_stock']);
    assert.deepEqual(
      [(await place('5', 1)).body.code, (await place('x', 1)).status],
      ['product_not_found', 404],
    );
    assert.equal((await place(productId, 101)).body.code, 'quantity_too_large');

    const path = `/v1/orders/${placed.body.id}`;
    assert.equal((await ask('GET', path, undefined, { 'if-none-match': '"1"' })).status, 304);
    const stale = await ask('DELETE', path, undefined, { 'if-match': '"7"' });
    assert.deepEqual([stale.status, stale.body.code], [412, 'precondition_failed']);
    const cancelled = await ask<Order>('DELETE', path, undefined, { 'if-match': '"1"' });
    assert.deepEqual([cancelled.status, cancelled.body.state], [200, 'cancelled']);
    assert.equal((await product(productId)).stock, 3);
    assert.equal((await ask('DELETE', path)).body.code, 'order_closed');
    const supplied = await ask<Product>('POST', `/v1/products/${productId}/supplies`, { quantity: 4 });
    assert.deepEqual([supplied.body.stock, supplied.body.supplied], [7, 7]);
  });

  test('are confirmed by a job once they are paid, counted as sold, and reported by state', async () => {
    const productId = await add(10);
    const { body } = await place(productId, 4);
    const path = `/v1/orders/${body.id}`;
    assert.equal((await ask<Order>('POST', `${path}/payment`)).body.state, 'paid');
    await eventually(
      'it is confirmed',
      async () => (await ask<Order>('GET', path)).body.state === 'confirmed',
    );
    assert.equal((await ask('POST', `${path}/payment`)).body.code, 'order_closed');
    assert.equal((await ask('POST', `/v1/products/${productId}/views`)).status, 202);
    await eventually('it is sold and seen', async () => {
      const { body: sales } = await ask<object>('GET', `/v2/products/${productId}/sales`);
      return JSON.stringify(sales) === '{"units":4,"views":1}';
    });
    const older = await ask<object>('GET', `/v1/products/${productId}/sales`);
    assert.deepEqual([older.body, older.headers.get('deprecation')], [{ units: 4 }, '@1796083200']);
    assert.equal(older.headers.get('sunset'), 'Wed, 01 Dec 2027 00:00:00 GMT');
    assert((await orders('&state=confirmed')).some(({ id }) => id === body.id));
    const { body: report } = await ask<{ jobId: string }>('POST', '/v1/orders/reports');
    await eventually('the report is there', async () => {
      const { body: job } = await ask<{ result?: { confirmed?: number } }>('GET', `/v1/jobs/${report.jobId}`);
      return job.result?.confirmed === 1;
    });
  });

  test('are exported as CSV by whoever may read them, and that is counted', async () => {
    const reference = 'desk "12", left';
    const { body } = await place(await add(1), 1, reference);
    const get = (key: string) =>
      fetch(`${server.url}/v1/orders/export`, { headers: { authorization: `Bearer ${key}` } });
    assert.equal((await get('none-that-anybody-has-made')).status, 401);
    const exported = await get(ROOT_KEY);
    assert.equal(exported.headers.get('content-type'), 'text/csv; charset=utf-8');
    const [head, newest, ...others] = (await exported.text()).split('\r\n');
    assert.equal(head, 'id,productId,quantity,reference,state,createdAt');
    assert(newest?.startsWith(`${body.id},`) && newest.includes(',1,"desk ""12"", left",placed,'), newest);
    assert.equal(others.length, (await orders()).length);
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    assert.match(metrics, /^orders_exports_total\{result="whole"\} 1$/m);
    assert.match(metrics, /_seconds_count\{method="GET",route="\/v1\/orders\/export",status="200"\} 1$/m);
  });
});

describe('when more waits than may', () => {
  let productId: string;
  let unpaidId: string;
  let worker: { stop(): Promise<unknown> } | undefined;
  after(() => worker?.stop());
  before(async () => {
    await server.stop();
    // Nobody here carries out jobs, until a worker comes.
    const queue = { waitingMax: 2, blockMsMax: 60_000 };
    server = await start({ options: { role: 'api', queue }, systemOptions: { orders: { payWithinMs: 50 } } });
    productId = await add(10);
  });

  test('payments are refused, and change nothing', async () => {
    const placed = await Promise.all([1, 2, 3].map(() => place(productId, 1)));
    const ids = placed.map(({ body }) => body.id);
    for (const id of ids.slice(0, 2))
      assert.equal((await ask('POST', `/v1/orders/${id}/payment`)).status, 200);
    const third = await ask('POST', `/v1/orders/${ids[2]}/payment`);
    assert.deepEqual([third.status, third.body.code], [503, 'queue_full']);
    assert(Number(third.headers.get('retry-after')) > 0);
    unpaidId = String(ids[2]);
    assert.equal((await ask<Order>('GET', `/v1/orders/${unpaidId}`)).body.state, 'placed');
  });

  test('views are dropped, and nobody is told', async () => {
    for (let n = 0; n < 5; n++)
      assert.equal((await ask('POST', `/v1/products/${productId}/views`)).status, 202);
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    assert.match(metrics, /^loadstone_queue_dropped_total\{queue="orders_views"\} 3$/m);
  });

  test('reports wait for room, and go on when there is some', async () => {
    const asked: number[] = [];
    const report = async () => {
      const { status } = await ask('POST', '/v1/orders/reports');
      asked.push(status);
      return status;
    };
    assert.deepEqual(await Promise.all([report(), report()]), [202, 202]);
    const third = report();
    // What it could be answered at once is answered before this.
    await ask('GET', `/v1/products/${productId}`);
    assert.equal(asked.length, 2);
    const options = { role: 'worker', database: { primary: locateDatabase(data) } };
    worker = await startTestServer({ systems: [ORDERS], options, masterKey });
    assert.equal(await third, 202);
  });

  test('and an order that nobody has paid expires, so that its unit is in stock again', async () => {
    await eventually('it has expired', async () => {
      const { state } = (await ask<Order>('GET', `/v1/orders/${unpaidId}`)).body;
      return state === 'expired' && (await product(productId)).stock === 8;
    });
    assert.equal((await ask('POST', `/v1/orders/${unpaidId}/payment`)).body.code, 'order_closed');
  });
});
