/**
 * Migrations as files, and which of them a database still needs. Pure, but for reading the files.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describeError } from '#base/errors';
import { databaseErrors } from '../errors.ts';

export interface MigrationSet {
  /** Whose migrations these are: a block or a system. */
  room: string;
  /** A system's own schema, made and granted before its first migration; undefined for rooms that live in `core`. */
  schema: string | undefined;
  directory: URL;
}

export interface Migration {
  room: string;
  number: number;
  name: string;
  text: string;
  checksum: string;
  minCompatible: number;
  asLogin: boolean;
  inTransaction: boolean;
}

/** A row of `core.migrations`. */
export interface AppliedMigration {
  number: number;
  name: string;
  checksum: string;
  min_compatible: number;
}

const FILE_NAME = /^(\d{4})_[a-z0-9_]+\.sql$/;
const SCHEMA_NAME = /^[a-z][a-z0-9_]{0,40}$/;
const DIRECTIVE = /^-- (?:(no-transaction)|(as-login)|min-compatible: (\d{1,4}))$/;
/** What somebody who meant a directive may have written. */
const NEAR_DIRECTIVE = /^--\s*(no.?transaction|as.?login|min.?compatible)\b/i;

interface Directives {
  inTransaction: boolean;
  asLogin: boolean;
  minCompatible: number;
}

/** Reads the comment lines before the first statement. */
function readDirectives(text: string, refuse: (problem: string) => never): Directives {
  const found: Directives = { inTransaction: true, asLogin: false, minCompatible: 0 };
  for (const line of text.split('\n')) {
    if (line.trim() !== '' && !line.startsWith('--')) break;
    const directive = DIRECTIVE.exec(line);
    if (!directive && NEAR_DIRECTIVE.test(line)) {
      refuse(`"${line}": known are "-- no-transaction", "-- as-login" and "-- min-compatible: N"`);
    }
    if (directive?.[1]) found.inTransaction = false;
    if (directive?.[2]) found.asLogin = true;
    if (directive?.[3]) found.minCompatible = Number(directive[3]);
  }
  return found;
}

function readMigration(set: MigrationSet, file: string, expected: number): Migration {
  const refuse = (problem: string): never => {
    throw databaseErrors.migration_failed({ detail: `${set.room}: ${file}: ${problem}` });
  };
  const number = Number(FILE_NAME.exec(file)?.[1]);
  if (number !== expected) refuse(`should be named ${String(expected).padStart(4, '0')}_<name>.sql`);
  const text = readFileSync(new URL(file, set.directory), 'utf8').replaceAll('\r\n', '\n');
  const directives = readDirectives(text, refuse);
  if (directives.minCompatible > number) refuse(`min-compatible is above its own number`);
  if (directives.asLogin && set.schema !== undefined) refuse('a system migrates as loadstone_owner only');
  const checksum = createHash('sha256').update(text).digest('hex');
  return { room: set.room, number, name: basename(file, '.sql'), text, checksum, ...directives };
}

/**
 * All migrations of a set, in order. Line ends do not count: a checkout may change them.
 * @throws migration_failed for a directory that cannot be read, a name or number out of line, an unknown directive
 */
export function readMigrations(set: MigrationSet): Migration[] {
  assert(set.directory.href.endsWith('/'), `${set.room}: the URL of a directory ends with a slash`);
  if (set.schema !== undefined && !SCHEMA_NAME.test(set.schema)) {
    throw databaseErrors.migration_failed({
      detail: `${set.room}: "${set.schema}" cannot name a schema; allowed is ${SCHEMA_NAME.source}`,
    });
  }
  let files: string[];
  try {
    files = readdirSync(set.directory).filter((file) => file.endsWith('.sql'));
  } catch (cause) {
    throw databaseErrors.migration_failed({ detail: `${set.room}: ${describeError(cause)}`, cause });
  }
  return files.sort().map((file, index) => readMigration(set, file, index + 1));
}

/**
 * Those of `known` that are still to apply, given those that have been, both in order.
 * @throws migration_failed if one was altered after it had been applied; database_too_new
 */
export function pendingMigrations(
  room: string,
  known: readonly Migration[],
  applied: readonly AppliedMigration[],
): Migration[] {
  const newest = applied.at(-1);
  const lowest = Math.max(0, ...applied.map((row) => row.min_compatible));
  if (known.length < lowest) {
    throw databaseErrors.database_too_new({
      detail: `${room}: the database is at ${newest?.name} and works with programs that know ${lowest} or more migrations; this one knows ${known.length}: it is older than the data, so run the newer version`,
    });
  }
  for (const row of applied) {
    const migration = known[row.number - 1];
    if (migration && migration.checksum !== row.checksum) {
      throw databaseErrors.migration_failed({
        detail: `${room}: ${migration.name} was changed after it had been applied; restore the file and add a new migration instead`,
      });
    }
  }
  return known.slice(newest?.number ?? 0);
}
