/**
 * Nothing in the environment reaches a connection: what is not in the address has one value, whatever PG… says.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { HOSTILE_ENVIRONMENT } from '#base/testing/hostile-environment.fixture';

/** What a connection would send, in a process that has been started with that environment. */
function seen(hostile: Record<string, string>): unknown {
  const script = `
    import { createClient, createClientPool } from ${JSON.stringify(new URL('./driver.ts', import.meta.url).href)};
    import { parseAddress } from ${JSON.stringify(new URL('../database/address.ts', import.meta.url).href)};
    const addresses = [
      { host: '/sockets', port: 5432, database: 'loadstone', user: 'loadstone_super' },
      parseAddress('postgres://db.example'),
      parseAddress('postgres://me:secret@db.example:6543/mine?sslmode=verify-full'),
    ];
    const pooled = createClientPool({ ...addresses[0], options: '-c role=some', application_name: 'mine' });
    const clients = [...addresses.map((address) => createClient(address)), new pooled.Client(pooled.options)];
    const told = clients.map((client) => ({
      startup: client.getStartupConf(),
      password: typeof client.password === 'function' ? client.password() : client.password,
      parameters: client.connectionParameters,
      host: client.host, port: client.port, ssl: client.ssl, sslNegotiation: client.sslNegotiation,
      replication: client.replication, timeoutMs: client._connectionTimeoutMillis,
    }));
    process.stdout.write(JSON.stringify(told, (name, value) => typeof value === 'function' ? 'asks' : value));
  `;
  // With that one the driver does not even load; the command takes it away (src/cli/main.ts).
  const { NODE_PG_FORCE_NATIVE: _, ...others } = hostile;
  const env = { PATH: process.env.PATH, ...others };
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], { env, encoding: 'utf8' });
  assert.equal(run.status, 0, run.stderr);
  return JSON.parse(run.stdout);
}

test('what is sent is the same with every variable set that a Postgres client knows', () => {
  const clean = seen({}) as { startup: object; password: string; ssl: unknown }[];
  assert.deepEqual(seen(HOSTILE_ENVIRONMENT), clean);
  assert.deepEqual(
    clean.map(({ startup, password, ssl }) => ({ ...startup, password, ssl })),
    [
      {
        user: 'loadstone_super',
        database: 'loadstone',
        application_name: 'loadstone',
        password: '',
        ssl: false,
      },
      { user: 'postgres', database: 'postgres', application_name: 'loadstone', password: '', ssl: false },
      {
        user: 'me',
        database: 'mine',
        application_name: 'loadstone',
        password: 'secret',
        ssl: { rejectUnauthorized: true },
      },
      {
        user: 'loadstone_super',
        database: 'loadstone',
        application_name: 'mine',
        options: '-c role=some',
        password: '',
        ssl: false,
      },
    ],
  );
});
