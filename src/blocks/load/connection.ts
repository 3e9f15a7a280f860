/**
 * One connection: carries one request at a time, and answers with what became of it. Raw sockets with one read buffer for
 * all: a third of the CPU time of `node:http` for the same requests.
 */
import { connect, type Socket } from 'node:net';
import { describeError } from '#base/errors';
import { type AnswerParser, createAnswerParser } from './answer-parser.ts';
import type { LoadOutcome, LoadRequest } from './load-shape.ts';
import { encodeRequest, type Origin } from './request-bytes.ts';

/** A request whose time has come. */
export interface Arrival {
  request: LoadRequest;
  intendedMs: number;
  /** By how much the generator itself was late to look at it. */
  lateMs: number;
}

/** A request on its way. */
export interface Passage extends Arrival {
  sentMs: number | undefined;
  isReused: boolean;
}

export interface Connection {
  /** What it carries; undefined while it has nothing to do. */
  readonly passage: Passage | undefined;
  /** When it last had something to do. */
  idleSinceMs: number;
  readonly parser: AnswerParser;
  /** Only while it carries nothing. Connects when it has to. */
  carry(arrival: Arrival): void;
  /** Drops what it carries, without a word, and the socket. */
  cut(): void;
}

export interface ConnectionDeps {
  monotonicMs: () => number;
  origin: Origin;
  keepsAnswers: boolean;
  /** Shared by all connections: what is read is parsed before anything else is. */
  readBuffer: Buffer;
  /** The connection carries nothing any more by then; the parser has the answer. */
  onEnd: (
    connection: Connection,
    passage: Passage,
    outcome: LoadOutcome,
    problem: string | undefined,
  ) => void;
}

/** Opens no socket before it is given a request, and a new one whenever the last has been closed. */
export function createConnection(deps: ConnectionDeps): Connection {
  const { monotonicMs, origin, onEnd } = deps;
  const parser = createAnswerParser(deps.keepsAnswers);
  let socket: Socket | undefined;
  let isOpen = false;
  let isUsed = false;
  let passage: Passage | undefined;

  function end(outcome: LoadOutcome, problem?: string): void {
    const ended = passage;
    passage = undefined;
    if (ended) onEnd(connection, ended, outcome, problem);
  }

  function drop(): void {
    const dropped = socket;
    socket = undefined;
    isOpen = false;
    dropped?.destroy();
  }

  function onRead(from: Socket, length: number): void {
    if (from !== socket) return;
    try {
      if (!parser.push(deps.readBuffer, length)) return;
    } catch (error) {
      drop();
      end('broken', describeError(error));
      return;
    }
    isUsed = true;
    if (parser.isLast) drop();
    end('answered');
  }

  function onGone(from: Socket, problem: string): void {
    if (from !== socket) return;
    const wasOpen = isOpen;
    drop();
    if (!passage) return;
    if (wasOpen && parser.end()) end('answered');
    else end(wasOpen ? 'broken' : 'refused_connection', problem);
  }

  function open(bytes: Buffer): void {
    const { host, port } = origin;
    const opened: Socket = connect({
      ...{ host, port, noDelay: true },
      onread: {
        buffer: deps.readBuffer,
        callback(length) {
          onRead(opened, length);
          return true;
        },
      },
    });
    socket = opened;
    isUsed = false;
    opened.once('connect', () => {
      if (opened !== socket) return;
      isOpen = true;
      if (passage) send(passage, bytes);
    });
    opened.once('end', () => onGone(opened, 'the server has closed the connection'));
    opened.once('error', (error: NodeJS.ErrnoException) => onGone(opened, error.code ?? error.message));
    opened.once('close', () => onGone(opened, 'the connection was closed'));
  }

  function send(sent: Passage, bytes: Buffer): void {
    sent.sentMs = monotonicMs();
    parser.begin(sent.request.method);
    socket?.write(bytes);
  }

  const connection: Connection = {
    get passage() {
      return passage;
    },
    idleSinceMs: 0,
    parser,
    carry(arrival) {
      const { request } = arrival;
      const bytes = request.encoded ?? encodeRequest(request, origin.authority);
      passage = { ...arrival, sentMs: undefined, isReused: isOpen && isUsed };
      if (isOpen) send(passage, bytes);
      else open(bytes);
    },
    cut() {
      passage = undefined;
      drop();
    },
  };
  return connection;
}
