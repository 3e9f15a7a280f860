/**
 * What a failure of the Postgres driver means: one place that knows SQLSTATE classes and socket errors.
 */
import { deadlineErrors } from '#base/deadline';
import { describeError, isLoadstoneError } from '#base/errors';
import { databaseErrors } from './errors.ts';

export type Failure = 'unreachable' | 'conflict' | 'other';

const SOCKET_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'EACCES',
]);
/** Raised by the driver itself, without a code, when its socket closes or a connection takes too long to open. */
const DRIVER_MESSAGES =
  /connection terminated|connection error|timeout exceeded when trying to connect|client has encountered/i;

export function classify(error: unknown): Failure {
  if (!(error instanceof Error)) return 'other';
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string') {
    if (SOCKET_CODES.has(code) || code.startsWith('08') || code.startsWith('57P')) return 'unreachable';
    if (code === '53300') return 'unreachable';
    if (code === '40001' || code === '40P01') return 'conflict';
  }
  return DRIVER_MESSAGES.test(error.message) ? 'unreachable' : 'other';
}

/** The coded error for a driver's failure. Coded errors pass through, and so do violated constraints: rooms read those. */
export function toCoded(error: unknown): Error {
  if (isLoadstoneError(error) || isConstraintViolation(error)) return error as Error;
  if (isTimeout(error))
    return deadlineErrors.deadline_exceeded({ detail: describeError(error), cause: error });
  if (classify(error) === 'unreachable') {
    return databaseErrors.database_unavailable({
      detail: describeError(error),
      retryAfterS: 1,
      cause: error,
    });
  }
  return databaseErrors.database_failed({ cause: error });
}

/** Whether `error` is a violated constraint (SQLSTATE class 23), of that name if one is given. */
export function isConstraintViolation(error: unknown, constraint?: string): boolean {
  if (!(error instanceof Error)) return false;
  const { code, constraint: violated } = error as { code?: unknown; constraint?: unknown };
  return (
    typeof code === 'string' && code.startsWith('23') && (constraint === undefined || violated === constraint)
  );
}

/** query_canceled by statement_timeout, and the two transaction timeouts. */
function isTimeout(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return code === '57014' || code === '25P03' || code === '25P04';
}

/** Whether the connection that gave this error (coded or not) can no longer be used. */
export function isBroken(error: unknown): boolean {
  const raw = isLoadstoneError(error) ? error.cause : error;
  const code = (raw as { code?: unknown } | undefined)?.code;
  return classify(raw) === 'unreachable' || code === '25P03' || code === '25P04';
}
