/**
 * How the embedded Postgres and its standbys are, as seen from outside: from database.json, the directories and Postgres
 * itself, without a word from their owner.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ask } from './ask.ts';
import {
  type DatabaseFile,
  type DirectoryName,
  type Promotion,
  readDatabaseFile,
} from './directory/database-file.ts';
import { holderOf } from './directory/directory-lock.ts';
import type { PostgresAddress } from './engine.ts';
import { socketIn } from './joined.ts';
import { isFenced, isStandby } from './standby/fence.ts';

export interface StandbyStatus {
  name: DirectoryName;
  /**
   * `streaming`: it follows. `up`: it answers, and is not connected to the primary. `down`: it does not run. `made`: its
   * owner is making it, or will.
   */
  state: 'streaming' | 'up' | 'down' | 'made';
  /** Log that the primary has on disk and it has not replayed; null if unknown. */
  lagBytes: number | null;
}

export interface DatabaseStatus {
  term: number;
  /** Of the process that runs Postgres; null if none does. */
  ownerPid: number | null;
  primary: { name: DirectoryName; state: 'up' | 'down' | 'promoting' };
  standbys: StandbyStatus[];
  /** The one under way, or the last one. */
  promotion: Promotion | null;
}

/** @throws database_file_invalid */
export async function databaseStatus(dataDirectory: string): Promise<DatabaseStatus> {
  const file = readDatabaseFile(dataDirectory);
  const primary = socketIn(join(dataDirectory, file.primary));
  const senders = primary ? await sendersOf(primary) : new Map<string, Sender>();
  return {
    term: file.term,
    ownerPid: holderOf(dataDirectory) ?? null,
    primary: { name: file.primary, state: stateOf(file, primary) },
    standbys: file.standbys.map((name) => standbyStatus(dataDirectory, name, senders.get(name))),
    promotion: file.promotion ?? null,
  };
}

function stateOf({ promotion }: DatabaseFile, primary: PostgresAddress | undefined) {
  if (promotion?.state === 'decided') return 'promoting';
  return primary ? 'up' : 'down';
}

interface Sender {
  isStreaming: boolean;
  lagBytes: number | null;
}

/** Empty if the primary does not answer. */
async function sendersOf(primary: PostgresAddress): Promise<Map<string, Sender>> {
  const rows = await ask<{ name: string; state: string; lag: string | null }>(
    primary,
    `select application_name as name, state,
        pg_wal_lsn_diff(pg_current_wal_flush_lsn(), replay_lsn)::text as lag
      from pg_stat_replication`,
  ).catch(() => []);
  return new Map(
    rows.map(({ name, state, lag }) => [
      name,
      { isStreaming: state === 'streaming', lagBytes: lag === null ? null : Math.max(0, Number(lag)) },
    ]),
  );
}

function standbyStatus(
  dataDirectory: string,
  name: DirectoryName,
  sender: Sender | undefined,
): StandbyStatus {
  const directory = join(dataDirectory, name);
  const status = (state: StandbyStatus['state']): StandbyStatus => ({
    name,
    state,
    lagBytes: sender?.lagBytes ?? null,
  });
  if (!existsSync(directory) || isFenced(directory) || !isStandby(directory)) return status('made');
  if (!socketIn(directory)) return status('down');
  return status(sender?.isStreaming ? 'streaming' : 'up');
}
