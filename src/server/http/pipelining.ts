/**
 * Pipelining (RFC 9112, 9.3.2) within bounds: one request of a connection at a time is worked on, a few wait behind it,
 * and past those parsing stops until they are answered.
 *
 * Node parses all that a chunk of 64 KiB holds, some 2,100 requests, and hands over each at once: 40 connections that read
 * nothing held 2 GB of answers. It has no option against that, and stops reading only between chunks. So this takes the
 * place of two of its parser's callbacks. `onIncoming` may say 2, node's word for "what follows is another protocol": the
 * parser then stops behind that request, and what is left of the chunk is kept, and parsed when its turn comes.
 * It cannot stop before a body, so bodies that are pipelined by the dozen end their connection, after the answers to those
 * that were taken. (A client should not send anything behind a request that may change something: RFC 9112, 9.3.2.)
 *
 * One at a time, because what is refused with `Connection: close` would take with it the answers to what is already done
 * behind it, and because only requests that change nothing may be worked on beside each other.
 */
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';

/** What is used of node's parser; it is none of its documented surface, and held by pipelining.test.ts. */
interface Parser {
  onIncoming(request: IncomingMessage, keepAlive: boolean): number;
  execute(bytes: Buffer): number | Error;
  resume(): void;
  getCurrentBuffer(): Buffer;
  incoming: IncomingMessage | null;
  [callback: number]: unknown;
}

type ParsedSocket = Socket & {
  parser: Parser | null;
  /** The response whose turn it is. */
  _httpMessage: ServerResponse | null | undefined;
  _paused: boolean;
};

interface Connection {
  readonly socket: ParsedSocket;
  readonly parser: Parser;
  /** Node's own. */
  readonly take: Parser['onIncoming'];
  /** Since nothing was under way: at most so many are. */
  taken: number;
  /** The last one taken, while others are before it. */
  latest: ServerResponse | undefined;
  /** Whether it waits for `latest` to be answered before it parses on. */
  isStopped: boolean;
  /** Whether all that comes is thrown away: the connection ends with `latest`. */
  isEnding: boolean;
  /** Whether chunks come here, and no longer from the kernel into node's parser. */
  isTakenOver: boolean;
}

export interface Pipelining {
  /** For each new connection. */
  watch(socket: Socket): void;
  /** Runs `work` when the answers before `response` have been given: at once, as a rule; never, if the connection ends first. */
  inTurn(response: ServerResponse, work: () => void): void;
  /** Whether something is before the request that is being handed over. */
  isBehind(): boolean;
}

/** Told to the parser: a request whose end is the end of HTTP. */
const STOP = 2;

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
}

function isOpen({ socket, parser }: Connection): boolean {
  return !socket.destroyed && socket.writable && socket.parser === parser;
}

/** @param onUnreadable told what node would tell as `clientError` */
export function createPipelining(
  options: { pipelinedMax: number },
  onUnreadable: (error: Error, socket: Socket) => void,
): Pipelining {
  const { pipelinedMax } = options;
  /** The connection whose request is being handed over, if something is before that request. */
  let arriving: Connection | undefined;

  function takeBehind(connection: Connection, request: IncomingMessage, keepAlive: boolean): number {
    const { socket } = connection;
    if (connection.isEnding) {
      socket._paused = true;
      socket.pause();
      request.resume();
      return 0;
    }
    connection.taken += 1;
    arriving = connection;
    const told = connection.take(request, keepAlive);
    arriving = undefined;
    if (told !== 0 || connection.taken < pipelinedMax || connection.latest === undefined) return told;
    if (!hasBody(request)) {
      stop(connection, connection.latest);
      return STOP;
    }
    if (connection.taken >= 2 * pipelinedMax) {
      connection.isEnding = true;
      connection.latest.shouldKeepAlive = false;
    }
    return told;
  }

  function stop(connection: Connection, until: ServerResponse): void {
    const { parser, socket } = connection;
    connection.isStopped = true;
    until.once('close', () => {
      connection.isStopped = false;
      if (isOpen(connection)) socket.resume();
    });
    if (connection.isTakenOver) return;
    // Called by node with the number of bytes that it has parsed of the chunk.
    const key = (parser.constructor as unknown as { kOnExecute: number }).kOnExecute;
    const told = parser[key] as (parsed: number | Error) => void;
    parser[key] = (parsed: number | Error) => {
      parser[key] = told;
      const rest = typeof parsed === 'number' ? parser.getCurrentBuffer().subarray(parsed) : undefined;
      told(parsed);
      if (isOpen(connection)) takeOver(connection, rest);
    };
  }

  /**
   * From here on chunks come to `parse`; before, the parser read the socket without any JavaScript. What is left of a chunk
   * goes back to the front of what the socket has read, so that the end of it comes behind all of it.
   */
  function takeOver(connection: Connection, rest: Buffer | undefined): void {
    const { socket } = connection;
    connection.isTakenOver = true;
    socket.removeAllListeners('data');
    socket.on('data', (bytes: Buffer) => parse(connection, bytes));
    // Node resumes a socket at the end of each message and whenever it has drained: not what is stopped here.
    socket.resume = () => {
      const isHeld = connection.isStopped && isOpen(connection);
      if (!isHeld) Socket.prototype.resume.call(socket);
      return socket;
    };
    socket.pause();
    if (rest !== undefined && rest.length > 0) socket.unshift(rest);
  }

  function parse(connection: Connection, bytes: Buffer): void {
    const { socket, parser } = connection;
    if (!isOpen(connection) || connection.isEnding) return;
    parser.resume();
    const parsed = parser.execute(bytes);
    if (!isOpen(connection)) return;
    if (connection.isStopped) socket.pause();
    if (typeof parsed !== 'number') onUnreadable(parsed, socket);
    else if (parsed === bytes.length) return;
    else if (connection.isStopped) socket.unshift(bytes.subarray(parsed));
    // A parser that was stopped does not tell of an error, only of bytes that it has not taken.
    else onUnreadable(new Error('Parse Error'), socket);
  }

  return {
    watch(given) {
      const socket = given as ParsedSocket;
      const { parser } = socket;
      assert(parser?.onIncoming, 'node:http gives each connection its parser before anyone hears of it');
      const connection: Connection = {
        ...{ socket, parser, take: parser.onIncoming, taken: 1, latest: undefined },
        ...{ isStopped: false, isEnding: false, isTakenOver: false },
      };
      parser.onIncoming = (request, keepAlive) => {
        if (socket._httpMessage) return takeBehind(connection, request, keepAlive);
        connection.taken = 1;
        connection.latest = undefined;
        return connection.take(request, keepAlive);
      };
    },
    isBehind: () => arriving !== undefined,
    inTurn(response, work) {
      const connection = arriving;
      if (connection === undefined) return work();
      const before = connection.latest ?? (connection.socket._httpMessage as ServerResponse);
      connection.latest = response;
      before.once('close', () => {
        if (isOpen(connection)) work();
      });
    },
  };
}
