/**
 * What a failure of the Postgres driver means: one place that knows SQLSTATE codes, socket errors and the driver's own.
 */
import { deadlineErrors } from '#base/deadline';
import { describeError, isLoadstoneError, type LoadstoneError } from '#base/errors';
import { databaseErrors } from './errors.ts';

/**
 * `unreachable`: there is no connection, it has ended, or it leads to a server that takes no writes. `waited`: no connection of the pool became free in time.
 * `full`: there is no room to write. `conflict`: another transaction was in the way; all of this one is undone and may be repeated.
 */
export type Failure = 'unreachable' | 'waited' | 'conflict' | 'timeout' | 'full' | 'other';

const SOCKET_CODES = new Set([
  'EACCES',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
]);
/** Of the driver itself, without a code: the pool's line, and a socket that closed or took too long to open. */
const WAITED_MESSAGE = 'timeout exceeded when trying to connect';
const BROKEN_MESSAGES =
  /^(connection terminated|connection error|timeout expired|client has encountered a connection error)/i;

/** Serialization failure, deadlock, and a lock that could not be had within `lock_timeout`. */
const CONFLICTS = new Set(['40001', '40P01', '55P03']);
const TOO_MANY_CONNECTIONS = '53300';
/** A write reached a server that takes none: a standby, which may listen where the primary was. */
const READ_ONLY = '25006';
const DISK_FULL = '53100';
/** A statement was cut short by `statement_timeout`, or by an administrator. */
const QUERY_CANCELED = '57014';
/** Postgres ends the connection with these: the transaction was idle, or took too long. */
const TRANSACTION_TIMEOUTS = new Set(['25P03', '25P04']);

function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === 'string' ? code : undefined;
}

export function classify(error: unknown): Failure {
  if (!(error instanceof Error)) return 'other';
  const code = codeOf(error);
  if (code === undefined) {
    if (error.message === WAITED_MESSAGE) return 'waited';
    return BROKEN_MESSAGES.test(error.message) ? 'unreachable' : 'other';
  }
  if (code === QUERY_CANCELED || TRANSACTION_TIMEOUTS.has(code)) return 'timeout';
  if (CONFLICTS.has(code)) return 'conflict';
  if (code === DISK_FULL) return 'full';
  // Classes 08 (connection) and 57P (shutting down, starting up, crashed).
  const isGone = /^(08|57P)...?$/.test(code) || code === TOO_MANY_CONNECTIONS || SOCKET_CODES.has(code);
  return isGone || code === READ_ONLY ? 'unreachable' : 'other';
}

/** Whether `error` is a violated constraint (SQLSTATE class 23), of that name if one is given. */
export function isConstraintViolation(error: unknown, constraint?: string): boolean {
  const isViolation = /^23...$/.test(codeOf(error) ?? '');
  return (
    isViolation && (constraint === undefined || (error as { constraint?: unknown }).constraint === constraint)
  );
}

/** Whether a transaction that failed with `error` (coded or not) may succeed when it is repeated as a whole. */
export function isConflict(error: unknown): boolean {
  return classify(isLoadstoneError(error) ? error.cause : error) === 'conflict';
}

/** Cardinality, data exception, integrity constraint, program limit (an index row that is too large), `raise exception`. */
const DATA_CLASSES = /^(21|22|23|54|P0)...$/;

/** Whether `error` (coded or not) says that what was sent is at fault, not that the database could not carry it out. */
export function isDataError(error: unknown): boolean {
  return DATA_CLASSES.test(codeOf(isLoadstoneError(error) ? error.cause : error) ?? '');
}

/** Whether Postgres itself refused what was sent and says so: it did not take effect, and the answer was not lost. */
export function isRefusal(error: unknown): boolean {
  const raw = isLoadstoneError(error) ? error.cause : error;
  const isSqlState = /^[0-9A-Z]{5}$/.test(codeOf(raw) ?? '') && 'severity' in (raw as object);
  return isSqlState && !endsConnection(raw);
}

/**
 * Whether the connection that gave this driver's error cannot be used any more. A plan that no longer fits its table
 * (a migration changed a column's type) stays with the connection, so that one is given up too.
 */
export function endsConnection(error: unknown): boolean {
  if (classify(error) === 'unreachable' || TRANSACTION_TIMEOUTS.has(codeOf(error) ?? '')) return true;
  return codeOf(error) === '0A000' && /cached plan must not change/.test((error as Error).message);
}

/** The coded error for a driver's failure. Coded errors pass through, and so do violated constraints: rooms read those. */
export function toCoded(error: unknown): Error {
  if (isLoadstoneError(error) || isConstraintViolation(error)) return error as Error;
  return codedBy[classify(error)](describeError(error), error);
}

const codedBy: Record<Failure, (detail: string, cause: unknown) => LoadstoneError> = {
  unreachable: (detail, cause) => databaseErrors.database_unavailable({ detail, retryAfterS: 1, cause }),
  waited: (_, cause) =>
    databaseErrors.database_busy({ detail: 'no connection became free in time', retryAfterS: 1, cause }),
  conflict: (detail, cause) => databaseErrors.database_conflict({ detail, retryAfterS: 1, cause }),
  timeout: (detail, cause) => deadlineErrors.deadline_exceeded({ detail, cause }),
  full: (detail, cause) => databaseErrors.database_full({ detail, retryAfterS: 10, cause }),
  other: (_, cause) => databaseErrors.database_failed({ cause }),
};
