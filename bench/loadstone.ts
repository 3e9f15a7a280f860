/**
 * A real server on a data directory of its own, with the default options.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemRandom } from '#base/random';
import type { Workplace } from './bench.ts';
import type { Child } from './children.ts';
import { ROOT } from './machine.ts';

/** The first start makes a Postgres, on a machine that may be busy. */
const START_MS_MAX = 120_000;

export interface DataPlace {
  directory: string;
  /** Empty, so that no loadstone.yaml of this checkout is taken. */
  configFile: string;
  key: string;
}

export function createDataPlace({ directory }: Workplace): DataPlace {
  const configFile = join(directory, 'loadstone.yaml');
  writeFileSync(configFile, '');
  return {
    directory: join(directory, 'data'),
    configFile,
    key: systemRandom.bytes(24).toString('base64url'),
  };
}

export interface Loadstone {
  child: Child;
  /** Resolves once the server says that it is listening. */
  address: Promise<string>;
}

/**
 * @param command what starts the server, up to the flags
 * @param hasChannel only for a command that passes its open files on, which npm does not
 * @param checkout where `command` is run
 */
export function startLoadstone(
  { directory, children }: Workplace,
  { directory: data, configFile, key }: DataPlace,
  command: readonly string[],
  {
    listen = '127.0.0.1:0',
    hasChannel = false,
    checkout = ROOT,
  }: { listen?: string; hasChannel?: boolean; checkout?: string } = {},
): Loadstone {
  const flags = ['--data', data, '--config', configFile, '--listen', listen];
  const child = children.start([...command, ...flags], {
    cwd: checkout,
    env: { LOADSTONE_ROOT_KEY: key },
    errorFile: join(directory, 'loadstone.err'),
    hasChannel,
  });
  return { child, address: child.matches(/address\s+(http:\S+)\n/, START_MS_MAX) };
}
