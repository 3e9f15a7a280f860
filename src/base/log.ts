/**
 * Structured logs: one JSON object a line.
 */
import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';

export type Log = Logger;

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogOptions {
  level: LogLevel;
  service: string;
}

export function createLog(options: LogOptions, to: DestinationStream): Log {
  return pino(
    {
      level: options.level,
      base: { service: options.service, pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: ['authorization', 'headers.authorization', 'key', 'password', '*.password'],
    },
    to,
  );
}

/** For parts whose caller wants no log. */
export const silentLog: Log = pino({ level: 'silent' });
