/**
 * Structured logs: one JSON object a line.
 */
import { type DestinationStream, type LogFn, type Logger, pino, stdTimeFunctions } from 'pino';
import { type Clock, systemClock } from './clock.ts';
import { describeError, isLoadstoneError } from './errors.ts';

export type Log = Logger;

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogOptions {
  level: LogLevel;
  service: string;
  /** Its number among those that serve together. */
  process?: number;
}

const WARN = pino.levels.values.warn;
/** Parts that wait for the same thing, such as a database, say so together once in this time. */
const REPEAT_MS = 10_000;
const TOLD_MAX = 1000;
const DECIMALS = 1000;

/**
 * An error as fields. A stack tells where the program is wrong: it is kept for defects, and left out for what is foreseen
 * (coded errors, and what the system refuses), which would make hundreds of kilobytes of each restart of a database.
 */
export function errorFields(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name: type, stack } = error;
  const { code, syscall } = error as NodeJS.ErrnoException;
  const message = describeError(error);
  const isForeseen = isLoadstoneError(error) ? error.status < 500 || error.retryable : syscall !== undefined;
  return { type, message, ...(code === undefined ? {} : { code }), ...(isForeseen ? {} : { stack }) };
}

/** Numbers to three decimals: a microsecond, where they are milliseconds. */
function roundNumbers(fields: Record<string, unknown>): Record<string, unknown> {
  for (const name in fields) {
    const value = fields[name];
    if (typeof value !== 'number' || Number.isInteger(value)) continue;
    const rounded: Record<string, unknown> = {};
    for (const key in fields) rounded[key] = round(fields[key]);
    return rounded;
  }
  return fields;
}

const round = (value: unknown) =>
  typeof value === 'number' ? Math.round(value * DECIMALS) / DECIMALS : value;

/** Tells whether this was told within the last while. */
function createRepeats(clock: Pick<Clock, 'monotonicMs'>): (told: string) => boolean {
  const toldMs = new Map<string, number>();
  return (told) => {
    const nowMs = clock.monotonicMs();
    if (nowMs - (toldMs.get(told) ?? Number.NEGATIVE_INFINITY) < REPEAT_MS) return true;
    if (toldMs.size >= TOLD_MAX) toldMs.clear();
    toldMs.set(told, nowMs);
    return false;
  };
}

function retryableCode(fields: unknown): string | undefined {
  const err = (fields as { err?: unknown } | undefined)?.err;
  return isLoadstoneError(err) && err.retryable ? err.code : undefined;
}

/**
 * @param clock by which a warning counts as a repetition, for ten seconds: the same retryable error told in the same words
 *   goes to debug, and in other words, by another part that waits for the same thing, to info
 */
export function createLog(
  options: LogOptions,
  to: DestinationStream,
  clock: Pick<Clock, 'monotonicMs'> = systemClock,
): Log {
  const isRepeated = createRepeats(clock);
  const { process: number } = options;
  return pino(
    {
      level: options.level,
      base: {
        service: options.service,
        pid: process.pid,
        ...(number === undefined ? {} : { process: number }),
      },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: roundNumbers },
      serializers: { err: errorFields },
      hooks: {
        logMethod(args: Parameters<LogFn>, method, level) {
          const code = level === WARN ? retryableCode(args[0]) : undefined;
          const isKnown = code !== undefined && isRepeated(code);
          const isSaid = code !== undefined && isRepeated(`${code} ${String(args[1])}`);
          if (isSaid) this.debug(...args);
          else if (isKnown) this.info(...args);
          else method.apply(this, args);
        },
      },
      redact: ['authorization', 'headers.authorization', 'key', 'password', '*.password'],
    },
    to,
  );
}

/** For parts whose caller wants no log. */
export const silentLog: Log = pino({ level: 'silent' });
