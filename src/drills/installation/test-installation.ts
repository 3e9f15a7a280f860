/**
 * The mark of an installation that was started for drills: a file in its data directory, left by a server that has been
 * given LOADSTONE_FAULTS, and believed only while that very process runs there. A drill kills and loads what it is pointed
 * at, so nothing but a start that meant it makes an installation one that a drill may be pointed at.
 */
import { existsSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Static } from 'typebox';
import Type from 'typebox';
import { describeError } from '#base/errors';
import { parseOptions } from '#base/options';
import { holderOf } from '#blocks/postgres';
import { drillErrors } from '../errors.ts';

const schema = Type.Object(
  {
    /** Of the process that owns the data directory. */
    pid: Type.Integer({ minimum: 1 }),
    /** For clients on this machine. */
    origin: Type.String(),
    /** What LOADSTONE_FAULTS names. */
    faults: Type.String(),
    /** As in the option `systems`; paths are absolute. */
    systems: Type.Array(Type.String(), { maxItems: 100 }),
    /** How old what a system's stale routes answer may be, by its name. */
    ages: Type.Record(
      Type.String(),
      Type.Object({ well: Type.Number({ minimum: 0 }), cut: Type.Number({ minimum: 0 }) }),
    ),
  },
  { additionalProperties: false },
);

export type TestInstallation = Static<typeof schema>;

const FILE = 'started-for-drills.json';

/** Marks the data directory of this process. @returns removes the mark */
export function leaveMark(dataDirectory: string, installation: Omit<TestInstallation, 'pid'>): () => void {
  const file = join(dataDirectory, FILE);
  const text = JSON.stringify({ pid: process.pid, ...installation, faults: resolve(installation.faults) });
  writeFileSync(`${file}.new`, `${text}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return () => rmSync(file, { force: true });
}

/** Whether a process of this user was started so; environ(7) shows what it was given, whatever a file says. */
function isArmed(pid: number): boolean {
  try {
    const settings = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    return settings.some((setting) => setting.startsWith('LOADSTONE_FAULTS='));
  } catch {
    return false;
  }
}

function readFile(file: string): TestInstallation {
  try {
    return parseOptions(schema, JSON.parse(readFileSync(file, 'utf8')) as object) as TestInstallation;
  } catch (error) {
    throw refused(`${file} cannot be understood: ${describeError(error)}`);
  }
}

const refused = (detail: string) => drillErrors.drill_refused({ detail });

/**
 * The test installation that runs in a data directory.
 * @throws drill_refused for a directory in which none runs, and above all for one whose server was not started for drills
 */
export function findTestInstallation(data: string): TestInstallation & { data: string } {
  if (!existsSync(data)) throw refused(`data directory ${data} does not exist`);
  const directory = realpathSync(data);
  const holder = holderOf(directory);
  if (holder === undefined) throw refused(`no server runs in ${directory}`);
  const file = join(directory, FILE);
  const found = existsSync(file) ? readFile(file) : undefined;
  if (found?.pid !== holder || !isArmed(holder)) {
    throw refused(
      `the server that runs in ${directory}, pid ${holder}, was not started for drills, and a drill kills processes; one is by LOADSTONE_FAULTS=FILE`,
    );
  }
  return { ...found, data: directory };
}
