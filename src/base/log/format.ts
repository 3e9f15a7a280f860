/**
 * Log lines for people at a terminal: one line an event, with time, level, message and the few fields that matter. Made
 * from the JSON lines, so that there is one log and only its looks differ.
 *
 * `pino-pretty` was rejected: it prints every field on a line of its own and stacks over many, and brings thirteen packages.
 */
import type { LogDestination } from './destination.ts';

export const LOG_FORMATS = ['auto', 'pretty', 'json'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

type Fields = Record<string, unknown>;

const LEVELS: Record<string, { word: string; colour: number }> = {
  fatal: { word: 'FATAL', colour: 31 },
  error: { word: 'ERROR', colour: 31 },
  warn: { word: 'WARN ', colour: 33 },
  info: { word: 'INFO ', colour: 32 },
  debug: { word: 'DEBUG', colour: 36 },
  trace: { word: 'TRACE', colour: 36 },
};
const GREY = 90;
/** Said in another way, or of no use to somebody who looks at one terminal. */
const LEFT_OUT = new Set(['level', 'time', 'service', 'pid', 'process', 'msg', 'err', 'spanId', 'traceId']);
/** Those that a defect is told with, which a problem document names the trace of. */
const OF_DEFECTS = new Set([...LEFT_OUT].filter((name) => name !== 'traceId'));
const ACCESS = new Set(['method', 'route', 'status', 'latencyMs', 'workspaceId', 'code']);
const VALUE_CHARS_MAX = 120;
const LINE_CHARS_MAX = 4096;

/** What a terminal would obey (escape sequences, line breaks) is printed as a blank: fields are what others have sent. */
function plain(text: string, charsMax: number): string {
  const line = text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim();
  return line.length > charsMax ? `${line.slice(0, charsMax - 1)}…` : line;
}

function formatValue(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
  const cut = plain(text, VALUE_CHARS_MAX);
  return typeof value === 'string' && /[\s"=]|^$/.test(cut) ? JSON.stringify(cut) : cut;
}

/** `standby=postgres-standby-1`; what is inside of a field gets its names joined by a dot. */
function formatFields(fields: Fields, leftOut: ReadonlySet<string>): string[] {
  return Object.entries(fields).flatMap(([name, value]) => {
    if (leftOut.has(name) || value === undefined || value === null) return [];
    if (typeof value === 'object' && !Array.isArray(value)) {
      return formatFields(value as Fields, new Set()).map((text) => `${name}.${text}`);
    }
    return [`${name}=${formatValue(value)}`];
  });
}

/** What went wrong, its code, and of a defect the first place in a stack. */
function formatError(err: unknown): string {
  if (typeof err !== 'object' || err === null) return '';
  const { message = '', code, stack } = err as Record<string, string | undefined>;
  const place = /\n\s+at (.*)/.exec(stack ?? '')?.[1];
  const notes = [code, place && `at ${place}`].filter(Boolean).join(', ');
  return plain(`${message}${notes && ` (${notes})`}`, 4 * VALUE_CHARS_MAX);
}

/** `GET /v1/notes/{id} 404 note_not_found 1.2 ms`. */
function formatAccess({ method, route, status, latencyMs, code }: Fields): string {
  const took = typeof latencyMs === 'number' ? `${latencyMs.toFixed(latencyMs < 10 ? 1 : 0)} ms` : undefined;
  return [method, route, status, code, took].filter((part) => part !== undefined).join(' ');
}

function describe(fields: Fields): string {
  const isAccess = fields.method !== undefined && fields.status !== undefined && fields.msg === undefined;
  const message = isAccess ? formatAccess(fields) : plain(String(fields.msg ?? ''), LINE_CHARS_MAX);
  const error = formatError(fields.err);
  return error === '' ? message : `${message}${message && ': '}${error}`;
}

/** One line of JSON as one line for a person; whatever is no JSON stays as it is. Pure. */
export function formatLine(line: string, { hasColours }: { hasColours: boolean }): string {
  let fields: Fields;
  try {
    fields = JSON.parse(line) as Fields;
  } catch {
    return line;
  }
  const paint = (text: string, colour: number) => (hasColours ? `\u001B[${colour}m${text}\u001B[39m` : text);
  const { level, time, process } = fields;
  const { word, colour } = LEVELS[String(level)] ?? { word: String(level), colour: GREY };
  const isAccess = fields.method !== undefined && fields.msg === undefined;
  const isDefect = ['error', 'fatal'].includes(String(level)) || Number(fields.status ?? 0) >= 500;
  const leftOut = isDefect ? OF_DEFECTS : LEFT_OUT;
  const rest = formatFields(fields, isAccess ? new Set([...leftOut, ...ACCESS]) : leftOut).join(' ');
  const parts = [
    paint(/T([\d:.]+)Z$/.exec(String(time ?? ''))?.[1] ?? '', GREY),
    paint(word, colour),
    process === undefined ? '' : `[${String(process)}]`,
    plain(describe(fields), LINE_CHARS_MAX),
    rest === '' ? '' : paint(plain(rest, LINE_CHARS_MAX), GREY),
  ];
  return `${parts.filter(Boolean).join(' ')}\n`;
}

export interface PrettyDestination extends LogDestination {
  /** Whether lines below `warn` are left out: while a start tells a person how far it is. */
  setQuiet(isQuiet: boolean): void;
}

const LOUD = /^\{"level":"(?:warn|error|fatal)"/;

export function createPrettyDestination(
  to: LogDestination,
  options: { hasColours: boolean },
): PrettyDestination {
  let isQuiet = false;
  return {
    write(line) {
      if (!isQuiet || LOUD.test(line)) to.write(formatLine(line, options));
    },
    flushSync: to.flushSync,
    setQuiet(value) {
      isQuiet = value;
    },
  };
}

/** Whether lines are for people: as asked for, or where they go to a terminal. */
export function isForPeople(format: LogFormat, isTerminal: boolean): boolean {
  return format === 'auto' ? isTerminal : format === 'pretty';
}
