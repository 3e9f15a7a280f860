/**
 * Reads JSON bodies, each within its bound and all together within another. What is too long is read on and thrown away up
 * to `DRAINED_BYTES_MAX`, so that the client finishes sending and reads the refusal instead of a reset connection.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LoadstoneError } from '#base/errors';
import { serverErrors } from '../errors.ts';

export const DRAINED_BYTES_MAX = 16 * 1024 * 1024;

/** Room that a body begins with, and has as much again whenever it is full. */
const ROOM_BYTES = 4096;

export interface Bodies {
  /**
   * The body as JSON. It counts as held until `response` has been given.
   * @throws body_too_large, bodies_busy, json_malformed, client_gone, request_timeout
   */
  readJson(request: IncomingMessage, response: ServerResponse): Promise<unknown>;
  heldBytes(): number;
}

/**
 * What is known of a request's body, on the request itself: a `WeakMap` in the old generation holds its values through all
 * collections of the young one, and with them the requests, some KB each.
 */
interface BodyState {
  /** Rejects whoever reads it. */
  [READER]?: (error: LoadstoneError) => void;
  [FAILURE]?: LoadstoneError;
  /** Its client waits for `100 Continue`. */
  [WAITING]?: ServerResponse;
}

const READER = Symbol('reader');
const FAILURE = Symbol('failure');
const WAITING = Symbol('waiting');

type Receiving = IncomingMessage & BodyState;

/** The body will not be whole: for whoever reads it, or will. */
export function failBody(request: Receiving, error: LoadstoneError): void {
  request[FAILURE] = error;
  request[READER]?.(error);
}

/** The client is told to send the body when somebody wants to read it. */
export function continueWhenRead(request: Receiving, response: ServerResponse): void {
  request[WAITING] = response;
}

/** What nobody reads of a body is thrown away behind its answer, up to a bound. */
export function boundUnreadBody(
  request: IncomingMessage,
  response: ServerResponse,
  onUnread: () => void,
): void {
  response.prependOnceListener('finish', () => {
    if (request.complete) return;
    onUnread();
    let bytes = 0;
    request.on('error', () => {});
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > DRAINED_BYTES_MAX) request.socket.destroy();
    });
  });
}

function tooLarge(bytesMax: number, closes: boolean) {
  return serverErrors.body_too_large({
    detail: `the body may have ${bytesMax} bytes`,
    ...(closes ? { headers: { connection: 'close' } } : {}),
  });
}

/** One for all: making it takes longer than decoding a body with it. */
const utf8 = new TextDecoder('utf-8', { fatal: true });

function parseJson(bytes: Buffer): unknown {
  if (bytes.length === 0) throw serverErrors.json_malformed({ detail: 'the body is empty' });
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch (cause) {
    throw serverErrors.json_malformed({ detail: 'the body is not UTF-8', cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw serverErrors.json_malformed({ detail: (cause as Error).message, cause });
  }
}

function checkHeaders({ headers }: IncomingMessage): void {
  const coding = headers['content-encoding']?.trim().toLowerCase() ?? '';
  if (coding !== '' && coding !== 'identity') throw serverErrors.content_coding_unsupported();
}

/** Calls back for each chunk, and resolves when the body is whole. */
function readChunks(
  request: Receiving,
  onChunk: (chunk: Buffer) => LoadstoneError | undefined,
): Promise<void> {
  const failure = request[FAILURE];
  if (failure) return Promise.reject(failure);
  return new Promise((resolve, reject) => {
    request[READER] = reject;
    request.on('data', (chunk: Buffer) => {
      const error = onChunk(chunk);
      if (error === undefined) return;
      request.pause();
      reject(error);
    });
    request.on('end', resolve);
    request.on('error', (cause) => reject(serverErrors.client_gone({ cause })));
    request.on('close', () => {
      // After a whole body this comes too, and an error made for nothing costs more than reading the body.
      if (!request.readableEnded) reject(serverErrors.client_gone());
    });
    request[WAITING]?.writeContinue();
  });
}

/**
 * Collects chunks in one buffer that grows. A client may send a body byte by byte: kept as they come, the chunks of one
 * MiB took 160 MB.
 */
function createCollector(grow: (bytes: number) => boolean, declaredBytes: number) {
  let room: Buffer = Buffer.alloc(0);
  let length = 0;
  return {
    bytes: () => room.subarray(0, length),
    /** False when there is no room for it. */
    add(chunk: Buffer): boolean {
      const wanted = length + chunk.length;
      // As a rule the whole body comes at once, and is parsed at once: no copy of it is needed.
      if (wanted === declaredBytes && length === 0) {
        if (!grow(wanted)) return false;
        [room, length] = [chunk, wanted];
        return true;
      }
      if (wanted > room.length) {
        const doubled = Math.max(wanted, ROOM_BYTES, room.length * 2);
        const size = wanted <= declaredBytes ? Math.min(doubled, declaredBytes) : doubled;
        if (!grow(size - room.length)) return false;
        const larger = Buffer.allocUnsafeSlow(size);
        room.copy(larger, 0, 0, length);
        room = larger;
      }
      chunk.copy(room, length);
      length = wanted;
      return true;
    },
    drop() {
      room = Buffer.alloc(0);
      length = 0;
    },
  };
}

export function createBodies(options: { bodyBytesMax: number; bodiesBytesMax: number }): Bodies {
  const { bodyBytesMax, bodiesBytesMax } = options;
  let held = 0;

  async function read(request: IncomingMessage, hold: (bytes: number) => boolean): Promise<Buffer> {
    // A request that announces no body has none, and its stream has ended before anyone could listen.
    if (request.readableEnded) return Buffer.alloc(0);
    const declared = Number(request.headers['content-length'] ?? 0);
    if (declared > DRAINED_BYTES_MAX) throw tooLarge(bodyBytesMax, true);
    const collected = createCollector(hold, declared);
    let length = 0;
    await readChunks(request, (chunk) => {
      length += chunk.length;
      if (length > DRAINED_BYTES_MAX) return tooLarge(bodyBytesMax, true);
      if (length > bodyBytesMax) collected.drop();
      else if (!collected.add(chunk)) return busy();
      return undefined;
    });
    if (length > bodyBytesMax) throw tooLarge(bodyBytesMax, false);
    return collected.bytes();
  }

  function busy() {
    return serverErrors.bodies_busy({
      detail: `the bodies of requests under way have ${held} of ${bodiesBytesMax} bytes`,
      retryAfterS: 1,
    });
  }

  return {
    heldBytes: () => held,
    async readJson(request, response) {
      checkHeaders(request);
      let own = 0;
      response.once('close', () => {
        held -= own;
        own = 0;
      });
      const hold = (bytes: number) => {
        if (held + bytes > bodiesBytesMax || response.destroyed) return false;
        held += bytes;
        own += bytes;
        return true;
      };
      return parseJson(await read(request, hold));
    },
  };
}
