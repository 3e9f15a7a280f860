/**
 * A Postgres cluster that is made once for a run of the tests and copied for each that needs one: initdb takes 1.5 s of
 * processor time, a copy 0.1 s. Tests of the first start itself do not call this.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '#base/clock';
import { silentLog } from '#base/log';
import { systemRandom } from '#base/random';
import { createEmbeddedPostgres } from '../embedded.ts';

const run = promisify(execFile);
const START_TIMEOUT_MS = 600_000;

/** A directory of the whole run, made and removed by the runner; a file that is run by itself has none. */
const shared = process.env.LOADSTONE_TEST_CLUSTERS;
const isPossible = shared !== undefined && process.platform !== 'win32';

const making = new Map<string, Promise<void>>();

async function makeTemplate(template: string, make: (draft: string) => Promise<void>): Promise<void> {
  const draft = mkdtempSync(join(dirname(template), 'draft-'));
  try {
    await make(draft);
    renameSync(join(draft, 'postgres'), template);
  } catch (error) {
    // Another file of the run was faster.
    if (!existsSync(template)) throw error;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/**
 * Puts a cluster into the data directory, unless there is one: a copy of what `make` has left in a data directory once for
 * the whole run. Without a directory of the run it does nothing, and the first start makes it all.
 */
export async function copyPrepared(
  name: string,
  dataDirectory: string,
  make: (draft: string) => Promise<void>,
): Promise<void> {
  const target = join(dataDirectory, 'postgres');
  if (!isPossible || existsSync(target)) return;
  const template = join(shared, name);
  if (!existsSync(template)) {
    const once = making.get(name) ?? makeTemplate(template, make);
    making.set(name, once);
    await once;
  }
  mkdirSync(dataDirectory, { recursive: true, mode: 0o700 });
  await run('cp', ['-Rp', template, target]);
}

async function makeCluster(draft: string): Promise<void> {
  const postgres = createEmbeddedPostgres(
    { directory: join(draft, 'postgres'), startTimeoutMs: START_TIMEOUT_MS },
    { clock: systemClock, random: systemRandom, log: silentLog },
  );
  await postgres.start(AbortSignal.timeout(START_TIMEOUT_MS));
  await postgres.stop(AbortSignal.timeout(START_TIMEOUT_MS));
}

/** A new cluster: what a first start would have made, before any migration. */
export function copyCluster(dataDirectory: string): Promise<void> {
  return copyPrepared('cluster', dataDirectory, makeCluster);
}
