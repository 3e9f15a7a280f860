/**
 * What a mutation is compared with: fastify and pg, a pool of the same size, prepared statements, and the same tables.
 *
 *   POST /v1/links         the writes of a mutation as they are commonly written by hand: eight statements, each awaited
 *   POST /bare             one insert into one table, committed by itself
 *   GET  /loop?seconds=…   the same insert by so many callers, without HTTP between: gives requests and latencies
 *
 * Its arguments: the socket directory and the port of Postgres, and the API key.
 */
import { createHash, randomBytes } from 'node:crypto';
import Fastify from 'fastify';
import pg from 'pg';

const POOL_MAX = 10;
const [host = '', port = '', apiKey = ''] = process.argv.slice(2);

const pool = new pg.Pool({
  host,
  port: Number(port),
  database: 'loadstone',
  user: 'loadstone_super',
  application_name: 'peer',
  max: POOL_MAX,
  idleTimeoutMillis: 0,
});

let lastId = BigInt(Date.now()) << 22n;
const nextId = () => String(++lastId);

const STATEMENTS = {
  find: `select request_hash, outcome from peer.idempotency_records where record_id = $1`,
  code: `insert into peer.codes (domain, code, workspace_id, bucket, link_id) values ('', $1, 1, 0, $2)`,
  link: `insert into peer.links (workspace_id, bucket, link_id, domain, code, url, redirect_status, expires_at,
      created_by, created_at, updated_at)
    values (1, 0, $1, '', $2, $3, 302, $4, 'root', now(), now()) returning *`,
  job: `insert into peer.jobs (job_id, workspace_id, bucket, queue, state, priority, score, run_at_ms, attempts_max,
      unique_key, payload)
    values ($1, 1, 0, 'links_expiry', 'scheduled', 0, $2, $2, 10, $3, $4)`,
  event: `insert into peer.outbox (event_id, workspace_id, created_at, stream_id, bytes, partition, bucket, type, key, payload)
    values ($1, 1, now(), 1, $2, 0, 0, 'link.created', $3, $4)`,
  keep: `insert into peer.idempotency_records (record_id, workspace_id, bucket, request_hash, outcome, created_at)
    values ($1, 1, 0, $2, $3, now())`,
  bare: `insert into peer.bare (id, code, url, expires_at) values ($1, $2, $3, $4)`,
} as const;

interface Input {
  url: string;
  ttl: number;
}

interface Link {
  link_id: string;
  code: string;
  url: string;
  expires_at: Date;
  created_at: Date;
}

const hash = (text: string) => createHash('sha256').update(text).digest();
const expiryOf = ({ ttl }: Input) => new Date(Date.now() + ttl * 1000);

async function create(client: pg.PoolClient, key: string, input: Input) {
  const run = <Row extends pg.QueryResultRow>(name: keyof typeof STATEMENTS, values: unknown[]) =>
    client.query<Row>({ name, text: STATEMENTS[name], values });
  const [recordId, requestHash] = [hash(key), hash(JSON.stringify(input))];
  const code = randomBytes(6).toString('base64url');
  const [linkId, expiresAt] = [nextId(), expiryOf(input)];

  await client.query('begin');
  const { rows: kept } = await run<{ outcome: Buffer }>('find', [recordId]);
  if (kept[0]) {
    await client.query('rollback');
    return JSON.parse(kept[0].outcome.toString('utf8')) as object;
  }
  await run('code', [code, linkId]);
  const { rows } = await run<Link>('link', [linkId, code, input.url, expiresAt]);
  const link = rows[0] as Link;
  const payload = JSON.stringify(link);
  await run('job', [nextId(), expiresAt.getTime(), linkId, JSON.stringify({ linkId, expiresAt })]);
  await run('event', [nextId(), Buffer.byteLength(payload), linkId, payload]);
  const reply = { id: linkId, code, url: link.url, expiresAt: link.expires_at, createdAt: link.created_at };
  await run('keep', [recordId, requestHash, Buffer.from(JSON.stringify(reply))]);
  await client.query('commit');
  return reply;
}

async function insertBare(input: Input): Promise<object> {
  const values = [nextId(), randomBytes(6).toString('base64url'), input.url, expiryOf(input)];
  await pool.query({ name: 'bare', text: STATEMENTS.bare, values });
  return { id: values[0], code: values[1] };
}

async function loop(seconds: number, callers: number) {
  const latenciesMs: number[] = [];
  const startedMs = performance.now();
  const untilMs = startedMs + seconds * 1000;
  const url = `https://shop.example.com/${'x'.repeat(90)}`;
  async function caller(): Promise<void> {
    while (performance.now() < untilMs) {
      const beganMs = performance.now();
      await insertBare({ url, ttl: 3600 });
      latenciesMs.push(performance.now() - beganMs);
    }
  }
  await Promise.all(Array.from({ length: callers }, caller));
  const elapsedMs = performance.now() - startedMs;
  latenciesMs.sort((a, b) => a - b);
  const at = (share: number) => latenciesMs[Math.floor(latenciesMs.length * share)];
  return { requests: latenciesMs.length, elapsedMs, p50Ms: at(0.5), p99Ms: at(0.99) };
}

const app = Fastify({ logger: false });
const body = {
  type: 'object',
  required: ['url', 'ttl'],
  additionalProperties: false,
  properties: { url: { type: 'string' }, ttl: { type: 'integer', minimum: 1 } },
} as const;

app.post<{ Body: Input }>('/v1/links', { schema: { body } }, async (request, reply) => {
  if (request.headers.authorization !== `Bearer ${apiKey}`) return reply.code(401).send();
  const client = await pool.connect();
  try {
    const made = await create(client, String(request.headers['idempotency-key']), request.body);
    return reply.code(201).send(made);
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
});
app.post<{ Body: Input }>('/bare', { schema: { body } }, async (request, reply) =>
  reply.code(201).send(await insertBare(request.body)),
);
app.get<{ Querystring: { seconds: string; callers: string } }>('/loop', ({ query }) =>
  loop(Number(query.seconds), Number(query.callers)),
);

process.once('disconnect', () => process.exit());
const address = await app.listen({ port: 0, host: '127.0.0.1' });
process.stdout.write(`address ${address}\n`);
