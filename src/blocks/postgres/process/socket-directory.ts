/**
 * Where Postgres listens: a short private directory, because a socket's path may have 107 bytes (103 on macOS) and a
 * data directory's may be longer. It is private (0700) because the cluster trusts whoever can reach the socket.
 *
 * It lies under the directory for temporary files. $XDG_RUNTIME_DIR was rejected: the login manager removes it when its
 * user's last session ends, and with it the socket of a server that was left running. Cleaners of /tmp go by age, and
 * Postgres touches its socket and lock file every hour for that reason. Where one deletes the directory all the same, the
 * supervisor notices, and restarts Postgres: it listens nowhere else until then.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  rmSync,
  type Stats,
  statSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { embeddedErrors } from '../errors.ts';

/** Names the socket file only (`.s.PGSQL.5432`): there is no TCP port. */
export const POSTGRES_PORT = 5432;

const SOCKET_PATH_BYTES_MAX = 103;

/** The same for the same data directory and user, so that it can be found again. */
export function socketDirectoryOf(dataDirectory: string, uid: number, root = tmpdir()): string {
  const hash = createHash('sha256').update(dataDirectory).digest('hex').slice(0, 12);
  const name = `loadstone-${uid}-${hash}`;
  const directory = join(root, name);
  return socketPathBytes(directory) <= SOCKET_PATH_BYTES_MAX ? directory : join('/tmp', name);
}

function socketPathBytes(directory: string): number {
  return Buffer.byteLength(socketOf(directory));
}

function socketOf(directory: string): string {
  return join(directory, `.s.PGSQL.${POSTGRES_PORT}`);
}

/** Whether a Postgres that listens there can be found. */
export function hasSocket(directory: string): boolean {
  return existsSync(socketOf(directory));
}

/**
 * Removes socket and lock file of a Postgres that was killed. The lock file names its pid, which may be another process by
 * now, or always have been one to us (a container that shares /tmp): Postgres would take that one for a live one and refuse.
 */
export async function removeStaleSocket(directory: string): Promise<void> {
  const socket = socketOf(directory);
  if (!existsSync(`${socket}.lock`) || (await isListenedTo(socket))) return;
  rmSync(socket, { force: true });
  rmSync(`${socket}.lock`, { force: true });
}

function isListenedTo(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error) =>
      resolve(!['ECONNREFUSED', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')),
    );
  });
}

/**
 * Makes the directory, or takes it if it is there and safe.
 * @param owner who runs Postgres
 * @throws postgres_socket_unsafe
 */
export function makeSocketDirectory(directory: string, owner: { uid: number; gid: number }): void {
  refuseSharedParent(join(directory, '..'));
  try {
    mkdirSync(directory, { mode: 0o700 });
    chmodSync(directory, 0o700);
    if (process.getuid?.() !== owner.uid) chownSync(directory, owner.uid, owner.gid);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw embeddedErrors.postgres_socket_unsafe({ detail: `${directory} cannot be made`, cause: error });
    }
  }
  verifySocketDirectory(directory, owner.uid);
}

/** @throws postgres_socket_unsafe unless it is a real directory of that owner that nobody else may enter */
export function verifySocketDirectory(directory: string, uid: number): void {
  const unsafe = (why: string) =>
    embeddedErrors.postgres_socket_unsafe({ detail: `${directory} ${why}; remove it and start again` });
  let found: Stats;
  try {
    found = lstatSync(directory);
  } catch (cause) {
    throw embeddedErrors.postgres_socket_unsafe({ detail: `${directory} cannot be read`, cause });
  }
  if (!found.isDirectory()) throw unsafe('is not a directory');
  if (found.uid !== uid) throw unsafe(`belongs to uid ${found.uid}, not ${uid}`);
  const mode = found.mode & 0o7777;
  if (mode !== 0o700) throw unsafe(`has mode 0${mode.toString(8)}, not 0700`);
}

/** In a directory that all may write and that is not sticky, anybody could put another directory in our one's place. */
function refuseSharedParent(parent: string): void {
  let mode: number;
  try {
    mode = statSync(parent).mode;
  } catch (cause) {
    throw embeddedErrors.postgres_socket_unsafe({ detail: `${parent} cannot be read`, cause });
  }
  if ((mode & 0o022) !== 0 && (mode & 0o1000) === 0) {
    throw embeddedErrors.postgres_socket_unsafe({
      detail: `${parent} may be written by others and is not sticky; set TMPDIR to a directory of your own`,
    });
  }
}

/** For when Postgres has ended. */
export function removeSocketDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}
