/**
 * A Redis for the tests that need one: installed where that can be done without asking anybody. They start their own
 * servers; without the program they are skipped, and the end of the run says how many.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Debian's package with the program and redis-cli. Not `redis-server`, which would start one for the whole machine. */
const PACKAGE = 'redis-tools';
const INSTALL_MS_MAX = 120_000;

const isThere = () =>
  existsSync('/usr/bin/redis-check-rdb') || spawnSync('redis-server', ['--version']).status === 0;

const install = (...args: readonly string[]) =>
  spawnSync('apt-get', args, {
    stdio: 'ignore',
    timeout: INSTALL_MS_MAX,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  }).status === 0;

/** Whether it is there now. */
export function provideRedis(): boolean {
  if (isThere()) return true;
  if (process.getuid?.() !== 0 || spawnSync('apt-get', ['--version']).status !== 0) return false;
  console.log(`installing ${PACKAGE}`);
  const wanted = ['install', '-y', '--no-install-recommends', PACKAGE];
  // A machine whose lists are old, or not there, is given new ones once.
  if (!install(...wanted)) install('update') && install(...wanted);
  return isThere();
}
