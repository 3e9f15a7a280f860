/**
 * `postmaster.pid` in a data directory: how a running Postgres describes itself (PostgreSQL source, `pidfile.h`). Lines:
 * pid, data directory, start time, port, socket directory, listen address, shared memory key, status.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { identifyProcess, type ProcessIdentity, worksIn } from './process-identity.ts';

export interface PostmasterFile {
  pid: number;
  socketDirectory: string;
  status: 'starting' | 'ready' | 'stopping' | 'unknown';
}

/** Undefined for a text that Postgres has not finished writing, or that a power cut has left empty. */
export function parsePostmasterFile(text: string): PostmasterFile | undefined {
  const lines = text.split('\n').map((line) => line.trim());
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  const word = lines[7] ?? '';
  const status = word === 'starting' || word === 'ready' || word === 'stopping' ? word : 'unknown';
  return { pid, socketDirectory: lines[4] ?? '', status };
}

export function readPostmasterFile(dataDirectory: string): PostmasterFile | undefined {
  try {
    return parsePostmasterFile(readFileSync(postmasterFileOf(dataDirectory), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Tells a file that was there before a start from one that this start wrote, even if both name the same pid: in a
 * container that is started again, pids repeat.
 */
export function postmasterFileVersion(dataDirectory: string): string | undefined {
  const found = statSync(postmasterFileOf(dataDirectory), { bigint: true, throwIfNoEntry: false });
  return found && `${found.ino}/${found.ctimeNs}`;
}

export function postmasterFileOf(dataDirectory: string): string {
  return join(dataDirectory, 'postmaster.pid');
}

/**
 * `none`: no file. `unreadable`: none that says whose it is; Postgres would refuse, so it must go once nobody is at it.
 * `dead`: its process has ended. `reused`: the pid is another process now; Postgres would take that one for a live
 * postmaster and refuse, so the file must go. `live`: a postmaster runs on this directory.
 */
export type FoundPostmaster =
  | { kind: 'none' }
  | { kind: 'unreadable' }
  | { kind: 'dead' }
  | { kind: 'reused'; pid: number }
  | { kind: 'live'; file: PostmasterFile; identity: ProcessIdentity };

export function findPostmaster(dataDirectory: string): FoundPostmaster {
  const file = readPostmasterFile(dataDirectory);
  if (!file) return { kind: postmasterFileVersion(dataDirectory) === undefined ? 'none' : 'unreadable' };
  const identity = identifyProcess(file.pid);
  if (!identity) return { kind: 'dead' };
  if (worksIn(file.pid, dataDirectory) === false) return { kind: 'reused', pid: file.pid };
  return { kind: 'live', file, identity };
}
