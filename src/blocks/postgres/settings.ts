/**
 * Postgres settings, each with its reason. They go on the command line, so that neither a file in the data directory
 * nor `alter system` can quietly take the promises away. What is not here keeps Postgres 18's default.
 */
import { statfsSync } from 'node:fs';
import { POSTGRES_PORT } from './process/socket-directory.ts';

export const DATABASE_NAME = 'loadstone';
export const SUPERUSER_NAME = 'loadstone_super';

/** How log lines begin: pid and SQLSTATE. The time is added by our own log. */
export const LOG_LINE_PREFIX = '%p %e ';

const SETTINGS: Record<string, string> = {
  // Who may connect: processes of the same user, through the private socket directory.
  listen_addresses: '',
  unix_socket_permissions: '0700',
  port: String(POSTGRES_PORT),

  // Durable by default; written out so that no file can say otherwise.
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',

  // Two pools of at most `database.poolMax` (10) and two connections for anonymous callers for each of a few processes,
  // migrations, leases, and a person with a client. Idle connections are cheap, but each allowed one takes shared memory
  // for its locks.
  max_connections: '80',
  // The working set of a small server; the page cache of the machine does the rest.
  shared_buffers: '128MB',
  // Solid-state disks: a random page costs little more than the next one.
  random_page_cost: '1.1',
  // A request may not take every core of a small machine, and parallel workers need more /dev/shm than the 64 MB that
  // containers get. A session that wants them (verify, rebuild) can set it.
  max_parallel_workers_per_gather: '0',
  // Compiles for tens of milliseconds what runs for one; the build has no LLVM either.
  jit: 'off',

  // Work for a client that has gone (a killed server) stops within a second, and frees its locks.
  client_connection_check_interval: '1s',

  // Bounds what recovery must replay after a kill: at most 1 GiB, or five minutes of writes.
  max_wal_size: '1GB',
  checkpoint_timeout: '5min',

  // Outbox, jobs and leases are small tables that change all the time: the default waits for a minute and a fifth of
  // the table, in which they swell to many times their size.
  autovacuum_naptime: '15s',
  autovacuum_vacuum_scale_factor: '0.05',
  autovacuum_analyze_scale_factor: '0.05',

  // Standbys. Log is kept for one that is away, up to a bound, past which it is made anew: a dead standby may not fill the
  // disk. One that hangs is given up after 10 s, since the primary's shutdown waits for it; one that lost its primary
  // looks for it twice a second, and tells every second how far it is.
  wal_level: 'replica',
  max_slot_wal_keep_size: '2GB',
  wal_sender_timeout: '10s',
  wal_receiver_timeout: '10s',
  wal_retrieve_retry_interval: '500ms',
  wal_receiver_status_interval: '1s',
  hot_standby: 'on',

  // Tells waiting for the disk from computing, in explain and pg_stat_*; a clock read costs 30 ns here.
  track_io_timing: 'on',

  // The log is ours to read: English, to standard error, with pid and SQLSTATE first.
  lc_messages: 'C',
  log_destination: 'stderr',
  logging_collector: 'off',
  log_line_prefix: LOG_LINE_PREFIX,
  TimeZone: 'UTC',
  log_timezone: 'UTC',
};

const SHARED_MEMORY_DIRECTORY = '/dev/shm';
/** Postgres begins with a megabyte there, and takes more for a while when it works in parallel. */
const SHARED_MEMORY_BYTES_MIN = 16 << 20;

/**
 * Where /dev/shm is too small (some sandboxes give 64 kB) or missing, Postgres takes its shared memory from the kernel
 * without a file (System V).
 */
export function sharedMemorySettings(directory = SHARED_MEMORY_DIRECTORY): Record<string, string> {
  if (process.platform !== 'linux') return {};
  try {
    const { bavail, bsize } = statfsSync(directory);
    if (bavail * bsize >= SHARED_MEMORY_BYTES_MIN) return {};
  } catch {
    // Not there, or not to be looked at.
  }
  return { dynamic_shared_memory_type: 'sysv' };
}

/** The arguments of `postgres`. `overrides` win over the settings above, except where the socket is. */
export function postgresArguments(
  dataDirectory: string,
  socketDirectory: string,
  overrides: Readonly<Record<string, string>>,
): string[] {
  const settings = {
    ...SETTINGS,
    ...sharedMemorySettings(),
    ...overrides,
    port: String(POSTGRES_PORT),
    unix_socket_directories: `"${socketDirectory}"`,
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return ['-D', dataDirectory, ...flags];
}
