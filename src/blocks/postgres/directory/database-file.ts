/**
 * `database.json` in the data directory: which of the Postgres directories beside it is the primary. Whoever runs Postgres,
 * connects to it or asks for a promotion goes by this file and by nothing else. Without it there is a primary in
 * `postgres`, in term 1, and no standby.
 *
 * A promotion is asked for and carried out through it as well:
 *
 *   asked ─▶ begun ─▶ decided ─▶ done        `decided` comes with the higher term and the new primary, in one write:
 *     └────────┴─▶ refused                   before it the old primary stays, after it the promotion is finished.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Static } from 'typebox';
import Type from 'typebox';
import { type Clock, sleep } from '#base/clock';
import { describeError, isLoadstoneError } from '#base/errors';
import { listProblems } from '#base/options/schema';
import type { Runtime } from '#base/runtime';
import { embeddedErrors, toDataError } from '../errors.ts';
import { lockFile } from './directory-lock.ts';
import { syncDirectory } from './sync-directory.ts';

export const DATABASE_FILE = 'database.json';
export const STANDBYS_MAX = 2;
/** In the order in which they are taken into use. */
export const DIRECTORY_NAMES = ['postgres', 'postgres-standby-1', 'postgres-standby-2'] as const;

export type DirectoryName = (typeof DIRECTORY_NAMES)[number];

const nameSchema = Type.Union(DIRECTORY_NAMES.map((name) => Type.Literal(name)) as []);

const promotionSchema = Type.Object(
  {
    /** Of whoever asked. */
    id: Type.String({ minLength: 1, maxLength: 100 }),
    /** Who was the primary. */
    from: nameSchema,
    standby: nameSchema,
    /** The old primary is killed rather than asked to hand over. */
    isForced: Type.Boolean(),
    state: Type.Union(
      ['asked', 'begun', 'decided', 'done', 'refused'].map((state) => Type.Literal(state)) as [],
    ),
    /** Log of the old primary that the new one never saw; null if nobody can tell. */
    lostBytes: Type.Optional(Type.Union([Type.Integer({ minimum: 0 }), Type.Null()])),
    /** Why it was refused. */
    reason: Type.Optional(Type.String({ maxLength: 2000 })),
  },
  { additionalProperties: false },
);

const fileSchema = Type.Object(
  {
    term: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
    primary: nameSchema,
    standbys: Type.Array(nameSchema, { maxItems: STANDBYS_MAX }),
    promotion: Type.Optional(promotionSchema),
  },
  { additionalProperties: false },
);

export interface Promotion extends Omit<Static<typeof promotionSchema>, 'from' | 'standby' | 'state'> {
  from: DirectoryName;
  standby: DirectoryName;
  state: 'asked' | 'begun' | 'decided' | 'done' | 'refused';
}

export interface DatabaseFile {
  readonly term: number;
  readonly primary: DirectoryName;
  readonly standbys: readonly DirectoryName[];
  /** The one under way, or the last one. */
  readonly promotion?: Promotion;
}

/** Whether a promotion has been asked for that nobody has decided yet. */
export function isWanted(file: DatabaseFile): file is DatabaseFile & { promotion: Promotion } {
  return file.promotion?.state === 'asked' || file.promotion?.state === 'begun';
}

const WITHOUT_FILE: DatabaseFile = { term: 1, primary: 'postgres', standbys: [] };

/** @throws database_file_invalid */
export function parseDatabaseFile(text: string, path: string): DatabaseFile {
  const refuse = (why: string) => embeddedErrors.database_file_invalid({ detail: `${path}: ${why}` });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw refuse(`not JSON (${describeError(error)})`);
  }
  const problem = listProblems(fileSchema, value)[0];
  if (problem) {
    const at = problem.pointer.slice(1).replaceAll('/', '.');
    throw refuse(`${at === '' ? '' : `${at}: `}${problem.detail}`);
  }
  const file = value as DatabaseFile;
  const names = [file.primary, ...file.standbys];
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw refuse(`${twice} is named twice`);
  return file;
}

/** What it says now. @throws database_file_invalid */
export function readDatabaseFile(dataDirectory: string): DatabaseFile {
  const path = join(dataDirectory, DATABASE_FILE);
  try {
    return parseDatabaseFile(readFileSync(path, 'utf8'), path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return WITHOUT_FILE;
    throw error;
  }
}

const LOCK_TURN_MS = 5;
const LOCK_TURNS_MAX = 1000;

/**
 * Changes the file: what `change` makes of it is on disk when this resolves. Several processes may do so at once.
 * @param change gives the new state, or undefined to leave it as it is; what it throws comes out. The term must not fall.
 * @returns what the file says in the end
 * @throws data_in_use if others keep it locked, database_file_invalid, data_unwritable, data_disk_full
 */
export async function changeDatabaseFile(
  dataDirectory: string,
  deps: Pick<Runtime, 'clock' | 'random'>,
  change: (now: DatabaseFile) => DatabaseFile | undefined,
): Promise<DatabaseFile> {
  const lock = await lockInTurn(dataDirectory, deps);
  try {
    const now = readDatabaseFile(dataDirectory);
    const next = change(now);
    if (next === undefined) return now;
    const path = join(dataDirectory, DATABASE_FILE);
    const text = `${JSON.stringify(next, undefined, 2)}\n`;
    parseDatabaseFile(text, path);
    if (next.term < now.term) throw new RangeError(`the term fell from ${now.term} to ${next.term}`);
    replaceFile(path, text);
    return next;
  } catch (error) {
    throw isLoadstoneError(error) ? error : toDataError(error, dataDirectory);
  } finally {
    lock.release();
  }
}

async function lockInTurn(dataDirectory: string, { clock }: { clock: Clock }) {
  for (let turn = 1; ; turn++) {
    try {
      return lockFile(join(dataDirectory, `${DATABASE_FILE}.lock`));
    } catch (error) {
      const isHeld = isLoadstoneError(error) && error.code === 'data_in_use';
      if (!isHeld || turn === LOCK_TURNS_MAX) throw error;
      await sleep(clock, LOCK_TURN_MS);
    }
  }
}

/** Whole, old or new, whatever happens; the holder of the lock is the only one to write the draft. */
function replaceFile(path: string, text: string): void {
  const draft = `${path}.draft`;
  try {
    writeFileSync(draft, text, { mode: 0o600, flush: true });
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
  syncDirectory(join(path, '..'));
}
