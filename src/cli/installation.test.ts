import assert from 'node:assert/strict';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseOptions } from '#base/options';
import { type ServerOptions, serverOptions } from '#server/options';
import { locateDatabase } from './installation.ts';

test('after a promotion there is an installation, also while the first directory is being made anew', (t) => {
  const data = realpathSync(mkdtempSync(join(tmpdir(), 'loadstone-cli-')));
  t.after(() => rmSync(data, { recursive: true, force: true }));
  const options = parseOptions(serverOptions, { data }) as ServerOptions;
  assert.throws(() => locateDatabase(options), { code: 'installation_missing' });
  const file = { term: 2, primary: 'postgres-standby-1', standbys: ['postgres'] };
  writeFileSync(join(data, 'database.json'), JSON.stringify(file));
  assert.deepEqual(locateDatabase(options), { kind: 'stopped' });
});
