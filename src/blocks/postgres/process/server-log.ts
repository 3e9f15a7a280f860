/**
 * Postgres's own log, read from its standard error and passed on to ours: failures visible, the rest at debug.
 */
import type { Log, LogLevel } from '#base/log';

export interface LogLine {
  /** The process that wrote it; undefined before Postgres has read its settings. */
  pid: number | undefined;
  /** `00000` when nothing failed. */
  sqlstate: string | undefined;
  /** LOG, WARNING, ERROR, FATAL, PANIC, …, or DETAIL, HINT, STATEMENT, … of the line before; empty if unknown. */
  severity: string;
  text: string;
}

const LINE = /^(\d+) ([0-9A-Z]{5}) ([A-Z0-9]+): {2}(.*)$/;

/** One line as `LOG_LINE_PREFIX` makes it; Postgres begins the second and later lines of a message with a tab. */
export function parseLogLine(line: string): LogLine {
  const [, pid, sqlstate, severity, text] = LINE.exec(line) ?? [];
  if (severity === undefined) {
    const plain = /^(?:\w+: )?(FATAL|PANIC|ERROR|WARNING|LOG): {1,2}(.*)$/.exec(line);
    return { pid: undefined, sqlstate: undefined, severity: plain?.[1] ?? '', text: plain?.[2] ?? line };
  }
  return { pid: Number(pid), sqlstate, severity, text: text ?? '' };
}

type Level = Exclude<LogLevel, 'silent'>;

const LEVELS: Record<string, Level> = { PANIC: 'fatal', FATAL: 'error', ERROR: 'error', WARNING: 'warn' };
/** Lines that belong to the one before. */
const DETAILS = new Set(['DETAIL', 'HINT', 'STATEMENT', 'CONTEXT', 'QUERY', 'LOCATION', 'BACKTRACE']);
/** Answers to a statement that rooms expect and handle: bad values, violated constraints, conflicts, cancellations. */
const EXPECTED = /^(22|23|40|55P03|57014)/;
/** Connections refused or ended because the server starts or stops. */
const COMING_AND_GOING = /^57P0[1-3]/;
/** A standby that has lost its primary, as at each stop and promotion: whether it follows is watched and told elsewhere. */
const PRIMARY_GONE = /^08006/;
/** Told at LOG, but an operator wants to know. */
const NOTABLE = /was terminated by|reinitializing|was not properly shut down|was interrupted/;

export function levelOf({ severity, sqlstate = '', text }: LogLine): Level {
  if (severity === '') return 'warn';
  if (severity === 'LOG' && NOTABLE.test(text)) return 'warn';
  if (severity === 'ERROR' && EXPECTED.test(sqlstate)) return 'debug';
  if (severity === 'FATAL' && COMING_AND_GOING.test(sqlstate)) return 'debug';
  if (severity === 'FATAL' && PRIMARY_GONE.test(sqlstate)) return 'debug';
  return LEVELS[severity] ?? 'debug';
}

export interface ServerLog {
  write(chunk: string): void;
  /** What it said last that is not routine, for an error message: at most `TAIL_LINES` lines. */
  tail(): string[];
}

/** A statement may be a megabyte long, and Postgres writes it in one line. */
const LINE_CHARS_MAX = 4096;
const TAIL_LINES = 6;
const TAIL_LINE_CHARS_MAX = 300;

/** Of a message, all its lines and details together: a statement may have as many lines as it likes. */
const MESSAGE_CHARS_MAX = 16_384;

/** What Postgres said at once: a line, the further lines of its text, and its details, each with theirs. */
interface Message {
  line: LogLine;
  level: Level;
  parts: { name: string; text: string }[];
  chars: number;
}

/**
 * One record for each message of Postgres, however many lines that has. Postgres writes a message at once, so it is whole
 * when what has been read ends with a line; should the pipe cut one in two, the rest is a record of its own at debug.
 * @param onLine told of every line, whatever its level
 */
export function createServerLog(log: Log, onLine: (line: LogLine) => void): ServerLog {
  let rest = '';
  let skipping = false;
  let message: Message | undefined;
  const recent: { notable: boolean; text: string }[] = [];

  function take(line: string): void {
    if (line.trim() === '') return;
    const parsed = parseLogLine(line);
    const isFurther = line.startsWith('\t');
    const isDetail = DETAILS.has(parsed.severity);
    if (isFurther && message) lengthen(message, line.trim());
    else if (isDetail && message && message.line.pid === parsed.pid) addDetail(message, parsed);
    else begin(parsed, isFurther || isDetail ? 'debug' : levelOf(parsed));
    onLine(parsed);
  }

  function begin(line: LogLine, level: Level): void {
    flush();
    message = { line, level, parts: [{ name: '', text: line.text.trim() }], chars: line.text.length };
  }

  function addDetail(to: Message, { severity, text }: LogLine): void {
    to.parts.push({ name: severity.toLowerCase(), text: '' });
    lengthen(to, text.trim());
  }

  function lengthen(to: Message, text: string): void {
    const part = to.parts.at(-1);
    if (!part || to.chars > MESSAGE_CHARS_MAX) return;
    part.text += part.text === '' ? text : `\n${text}`;
    to.chars += text.length;
  }

  function flush(): void {
    if (!message) return;
    const { line, level, parts } = message;
    message = undefined;
    const { pid, sqlstate, severity } = line;
    const [first, ...details] = parts;
    const told = Object.fromEntries(details.map(({ name, text }) => [name, text]));
    log[level]({ postgres: { pid, sqlstate, severity, ...told } }, first?.text ?? '');
    for (const { name, text } of parts) {
      const said = name === '' ? severity : name.toUpperCase();
      const oneLine = text.replaceAll('\n', ' ');
      recent.push({
        notable: level !== 'debug',
        text: `${said && `${said}: `}${oneLine}`.slice(0, TAIL_LINE_CHARS_MAX),
      });
    }
    recent.splice(0, recent.length - 4 * TAIL_LINES);
  }

  return {
    write(chunk) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (!skipping) take(line.slice(0, LINE_CHARS_MAX));
        skipping = false;
      }
      if (rest === '' && !skipping) flush();
      if (rest.length <= LINE_CHARS_MAX) return;
      if (!skipping) take(rest.slice(0, LINE_CHARS_MAX));
      skipping = true;
      rest = '';
    },
    tail() {
      flush();
      const notable = recent.filter((line) => line.notable);
      return (notable.length > 0 ? notable : recent).slice(-TAIL_LINES).map((line) => line.text);
    },
  };
}
