/**
 * The log of a command: standard error, so that standard output stays free for what a person reads. Lines for people where
 * that is a terminal, JSON where it is not, unless `log.format` says otherwise.
 */
import { isatty } from 'node:tty';
import type { Clock } from '#base/clock';
import { createLog, type Log, type LogLevel } from '#base/log';
import { createLogDestination } from '#base/log/destination';
import { createPrettyDestination, isForPeople, type LogFormat } from '#base/log/format';

const STDERR = 2;

export interface OpenedLog {
  log: Log;
  /** Writes what is waiting. */
  flush(): void;
  /** While a person is told the steps of a start: what the log has to say of them comes too, unless it is an `info`. */
  setQuiet(isQuiet: boolean): void;
}

export interface OpenLogOptions {
  level: LogLevel;
  format: LogFormat;
  /** Its number among those that serve together. */
  process?: number | undefined;
}

/** https://no-color.org: any value that is not empty. */
export function wantsColours(env: NodeJS.ProcessEnv, isTerminal: boolean): boolean {
  return isTerminal && !env.NO_COLOR && env.TERM !== 'dumb';
}

export function openLog(
  { level, format, process: number }: OpenLogOptions,
  { clock, env }: { clock: Clock; env: NodeJS.ProcessEnv },
): OpenedLog {
  const destination = createLogDestination(STDERR, clock);
  process.once('exit', destination.flushSync);
  const isTerminal = isatty(STDERR);
  const options = { level, service: 'loadstone', ...(number === undefined ? {} : { process: number }) };
  if (!isForPeople(format, isTerminal)) {
    return {
      log: createLog(options, destination, clock),
      flush: destination.flushSync,
      setQuiet() {},
    };
  }
  const pretty = createPrettyDestination(destination, { hasColours: wantsColours(env, isTerminal) });
  return {
    log: createLog(options, pretty, clock),
    flush: pretty.flushSync,
    // Whoever asks for more than `info` wants to see what a start does.
    setQuiet: (isQuiet) => pretty.setQuiet(isQuiet && level === 'info'),
  };
}
