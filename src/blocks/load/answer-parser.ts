/**
 * Reads HTTP/1.1 answers (RFC 9112) from pieces of any size, one answer at a time. It looks at no more of the head than it
 * needs to find the answer's end, unless headers and body are to be kept.
 */
import { loadErrors } from './errors.ts';

const HEAD_BYTES_MAX = 64 * 1024;
const KEPT_BODY_BYTES_MAX = 64 * 1024 * 1024;
const LINE_BYTES_MAX = 1024;
const HEAD_END = Buffer.from('\r\n\r\n');
const VERSION = Buffer.from('HTTP/1.');
const [LF, CR, SPACE, COLON, ZERO, NINE] = [0x0a, 0x0d, 0x20, 0x3a, 0x30, 0x39];
/** Letters in lower case differ from those in upper case by this bit. */
const LOWER = 0x20;
const [C, T] = [0x63, 0x74];

type State =
  | 'idle'
  | 'head'
  | 'counted'
  | 'to_end'
  | 'chunk_size'
  | 'chunk'
  | 'chunk_end'
  | 'trailer'
  | 'done';

export interface AnswerParser {
  /** Begins to read the answer to a request. */
  begin(method: string): void;
  /** Takes the first `length` bytes, which the caller may overwrite afterwards. @returns whether the answer is whole @throws load_answer_malformed */
  push(bytes: Buffer, length: number): boolean;
  /** The server sends no more. @returns whether that makes the answer whole */
  end(): boolean;
  /** Of the whole answer. */
  readonly status: number;
  /** Whether its connection can carry no other. */
  readonly isLast: boolean;
  readonly headers: Record<string, string> | undefined;
  readonly body: string | undefined;
}

function malformed(detail: string): Error {
  return loadErrors.load_answer_malformed({ detail });
}

/** @param head from the status line to the empty line */
function readHeaders(head: string): Record<string, string> {
  const headers: Record<string, string> = Object.create(null);
  for (const line of head.split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const before = headers[name];
    headers[name] = before === undefined ? value : `${before}, ${value}`;
  }
  return headers;
}

/** What of a head decides where the answer ends. */
interface Framing {
  length: number | undefined;
  isChunked: boolean;
  hasOtherCoding: boolean;
  connection: 'close' | 'keep-alive' | undefined;
}

function readField(name: string, value: string, framing: Framing): void {
  if (name === 'content-length') {
    const length = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (Number.isNaN(length) || (framing.length ?? length) !== length) {
      throw malformed(`content-length ${value.slice(0, 40)}`);
    }
    framing.length = length;
  } else if (name === 'transfer-encoding') {
    framing.isChunked = /(^|[,\s])chunked\s*$/i.test(value);
    framing.hasOtherCoding = !framing.isChunked;
  } else if (name === 'connection') {
    if (/\bclose\b/i.test(value)) framing.connection = 'close';
    else if (/\bkeep-alive\b/i.test(value)) framing.connection ??= 'keep-alive';
  }
}

/** @param at behind the status line */
function readFraming(bytes: Buffer, at: number, end: number): Framing {
  const framing: Framing = {
    length: undefined,
    isChunked: false,
    hasOtherCoding: false,
    connection: undefined,
  };
  let start = at;
  while (start < end) {
    let stop = start;
    while (stop < end && bytes[stop] !== LF) stop++;
    const letter = (bytes[start] ?? 0) | LOWER;
    if (letter === C || letter === T) {
      let colon = start;
      while (colon < stop && bytes[colon] !== COLON) colon++;
      // The lengths of the three names that matter.
      const length = colon - start;
      if (length === 14 || length === 10 || length === 17) {
        const name = bytes.toString('latin1', start, colon).toLowerCase();
        readField(name, bytes.toString('latin1', colon + 1, stop).trim(), framing);
      }
    }
    start = stop + 1;
  }
  return framing;
}

function readStatus(bytes: Buffer, at: number): number {
  for (let i = 0; i < VERSION.length; i++) {
    if (bytes[at + i] !== VERSION[i]) throw malformed('it does not begin with HTTP/1.');
  }
  let status = 0;
  for (let i = 9; i < 12; i++) {
    const digit = bytes[at + i] ?? 0;
    if (digit < ZERO || digit > NINE) throw malformed('its status is no number');
    status = status * 10 + (digit - ZERO);
  }
  const after = bytes[at + 12];
  if (bytes[at + 8] !== SPACE || (after !== SPACE && after !== CR) || status < 100) {
    throw malformed('its first line is no status line');
  }
  return status;
}

/** @param keeps whether headers and bodies are wanted */
export function createAnswerParser(keeps: boolean): AnswerParser {
  let state: State = 'idle';
  let isHead = false;
  let status = 0;
  let isLast = false;
  let headers: Record<string, string> | undefined;
  let body: string | undefined;
  /** The beginning of a head that has come in pieces. */
  let held: Buffer | undefined;
  /** Bytes of the body, or of the chunk, that are still to come. */
  let left = 0;
  let line = '';
  let parts: Buffer[] = [];
  let keptBytes = 0;

  function begin(method: string): void {
    state = 'head';
    isHead = method === 'HEAD';
    [headers, body, held] = [undefined, undefined, undefined];
    line = '';
    if (keptBytes > 0) parts = [];
    keptBytes = 0;
  }

  function startBody({ length, isChunked, hasOtherCoding }: Framing): void {
    left = 0;
    if (isHead || status === 204 || status === 304) state = 'done';
    else if (isChunked) state = 'chunk_size';
    else if (hasOtherCoding || length === undefined) [state, isLast] = ['to_end', true];
    else [state, left] = [length === 0 ? 'done' : 'counted', length];
  }

  /** @returns where the head ends */
  function parseHead(bytes: Buffer, at: number, end: number): number {
    status = readStatus(bytes, at);
    const lineEnd = bytes.indexOf(LF, at);
    if (status === 101) throw malformed('it changes to another protocol');
    if (status < 200) return end;
    const framing = readFraming(bytes, lineEnd + 1, end - 2);
    const isOld = bytes[at + 7] === ZERO;
    isLast = framing.connection === 'close' || (isOld && framing.connection !== 'keep-alive');
    if (keeps) headers = readHeaders(bytes.toString('latin1', at, end));
    startBody(framing);
    return end;
  }

  /** @returns where to go on; `length` when the head is not whole */
  function readHead(bytes: Buffer, at: number, length: number): number {
    if (held === undefined) {
      const found = bytes.indexOf(HEAD_END, at);
      if (found >= 0 && found + 4 <= length) return parseHead(bytes, at, found + 4);
      held = Buffer.from(bytes.subarray(at, length));
      if (held.length > HEAD_BYTES_MAX) throw malformed(`its head is longer than ${HEAD_BYTES_MAX} bytes`);
      return length;
    }
    const before = held.length;
    const whole: Buffer = Buffer.concat([held, bytes.subarray(at, length)]);
    const found = whole.indexOf(HEAD_END, Math.max(0, before - 3));
    if ((found < 0 ? whole.length : found) > HEAD_BYTES_MAX) {
      throw malformed(`its head is longer than ${HEAD_BYTES_MAX} bytes`);
    }
    held = found < 0 ? whole : undefined;
    return found < 0 ? length : parseHead(whole, 0, found + 4) - before + at;
  }

  function keep(bytes: Buffer, at: number, end: number): void {
    if (!keeps || end === at) return;
    keptBytes += end - at;
    if (keptBytes > KEPT_BODY_BYTES_MAX)
      throw malformed(`its body is longer than ${KEPT_BODY_BYTES_MAX} bytes`);
    parts.push(Buffer.from(bytes.subarray(at, end)));
  }

  function readCounted(bytes: Buffer, at: number, length: number, after: State): number {
    const end = Math.min(length, at + left);
    keep(bytes, at, end);
    left -= end - at;
    if (left === 0) state = after;
    return end;
  }

  /** @param take what to do with a whole line @returns where to go on */
  function readLine(bytes: Buffer, at: number, length: number, take: (text: string) => void): number {
    const found = bytes.indexOf(LF, at);
    const end = found >= 0 && found < length ? found : length;
    line += bytes.toString('latin1', at, end);
    if (line.length > LINE_BYTES_MAX) throw malformed('a line of its chunks is too long');
    if (end === length) return length;
    const text = line.endsWith('\r') ? line.slice(0, -1) : line;
    line = '';
    take(text);
    return end + 1;
  }

  function takeChunkSize(text: string): void {
    const size = /^([\da-f]{1,8})\s*(;.*)?$/i.exec(text)?.[1];
    if (size === undefined) throw malformed('the size of a chunk is no number');
    left = Number.parseInt(size, 16);
    state = left === 0 ? 'trailer' : 'chunk';
  }

  function takeChunkEnd(text: string): void {
    if (text !== '') throw malformed('a chunk is longer than its size');
    state = 'chunk_size';
  }

  function takeTrailer(text: string): void {
    if (text === '') state = 'done';
  }

  function step(bytes: Buffer, at: number, length: number): number {
    switch (state) {
      case 'head':
        return readHead(bytes, at, length);
      case 'counted':
        return readCounted(bytes, at, length, 'done');
      case 'chunk':
        return readCounted(bytes, at, length, 'chunk_end');
      case 'chunk_size':
        return readLine(bytes, at, length, takeChunkSize);
      case 'chunk_end':
        return readLine(bytes, at, length, takeChunkEnd);
      case 'trailer':
        return readLine(bytes, at, length, takeTrailer);
      case 'to_end':
        keep(bytes, at, length);
        return length;
      case 'idle':
      case 'done':
        throw malformed('it sends what was not asked for');
    }
  }

  function finish(): void {
    state = 'done';
    if (keeps) body = parts.length === 1 ? parts[0]?.toString() : Buffer.concat(parts).toString();
  }

  return {
    begin,
    push(bytes, length) {
      let at = 0;
      while (at < length) at = step(bytes, at, length);
      if (state !== 'done') return false;
      finish();
      return true;
    },
    end() {
      if (state !== 'to_end') return false;
      finish();
      return true;
    },
    get status() {
      return status;
    },
    get isLast() {
      return isLast;
    },
    get headers() {
      return headers;
    },
    get body() {
      return body;
    },
  };
}
