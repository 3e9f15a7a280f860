import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseOptions } from '#base/options';
import { type ServerOptions, serverOptions } from '#server/options';
import { shareConnections } from './child.ts';

const poolOf = (database: object, processes: number) =>
  shareConnections(parseOptions(serverOptions, { database }) as ServerOptions, processes).database.poolMax;

test('processes beside an embedded Postgres share its connections', () => {
  assert.deepEqual(
    [2, 4, 8, 64].map((processes) => poolOf({}, processes)),
    [6, 4, 2, 2],
  );
  assert.equal(poolOf({ poolMax: 1 }, 4), 1);
  assert.equal(poolOf({ primary: 'postgres://x@y/z' }, 4), 10);
});
