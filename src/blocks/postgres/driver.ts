/**
 * The driver, made deaf to the environment. `pg` fills whatever an address leaves open from PG… variables, which somebody
 * has set for another Postgres: PGSSLMODE ended a start, PGOPTIONS made it hang, PGPASSWORD would be sent to whoever is
 * asked. What connects, and how, is said by our options alone; so all connections are made here.
 */
import pg from 'pg';

/** As `pg` keeps it; its types do not tell. */
interface Internals {
  connectionParameters: { options: string | undefined; replication: string | undefined; binary: boolean };
  replication: string | undefined;
}

/** Asked only where the address has no password. Without it, PGPASSWORD, PGPASSFILE and ~/.pgpass would be looked at. */
const noPassword = () => '';

/** What is not given here would come from the environment. */
const DEFAULTS: pg.ClientConfig & Record<string, unknown> = {
  ssl: false,
  sslnegotiation: 'postgres',
  client_encoding: 'UTF8',
  application_name: 'loadstone',
  connectionTimeoutMillis: 5000,
};

/** @param config `host`, `port`, `database` and `user` at least */
export function createClient(config: pg.ClientConfig): pg.Client {
  const given = { ...DEFAULTS, ...config };
  const client = new pg.Client({ ...given, password: config.password ?? noPassword });
  const internals = client as unknown as Internals;
  // Of these an empty value does not keep the environment out.
  internals.connectionParameters.options = config.options;
  internals.connectionParameters.replication = undefined;
  internals.connectionParameters.binary = false;
  internals.replication = undefined;
  return client;
}

/** Called with `new` by the pool, which is given a plain function all the same. */
function PooledClient(config: pg.ClientConfig): pg.Client {
  return createClient(config);
}

/** A pool of such clients. */
export function createClientPool(config: pg.PoolConfig): pg.Pool {
  return new pg.Pool({ ...config, Client: PooledClient as unknown as typeof pg.Client });
}

export const { escapeIdentifier } = pg;
