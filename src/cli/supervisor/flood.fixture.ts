/**
 * Clients that ask for as much as they can: each connection has many requests under way, and sends another for each answer.
 */
import { connect, type Socket } from 'node:net';

export interface Flood {
  /** Answers so far, by status. */
  answers(): ReadonlyMap<number, number>;
  total(): number;
  stop(): void;
}

export interface FloodOptions {
  connections: number;
  inFlight: number;
  /** The head of the request with this number, which is counted over all connections. */
  request: (number: number) => string;
}

const STATUS = /HTTP\/1\.1 (\d{3})/g;
/** Of a status line that is cut in two by the arrival of its bytes. */
const LINE_LENGTH_MAX = 'HTTP/1.1 200'.length - 1;

/** Connections that the server closes are opened anew. */
export function startFlood(url: string, { connections, inFlight, request }: FloodOptions): Flood {
  const answers = new Map<number, number>();
  const sockets = new Set<Socket>();
  const port = Number(new URL(url).port);
  let sent = 0;
  let isStopped = false;

  function burst(count: number): string {
    let text = '';
    for (let i = 0; i < count; i++) {
      text += request(sent);
      sent += 1;
    }
    return text;
  }

  function open(): void {
    const socket = connect(port, '127.0.0.1', () => socket.write(burst(inFlight)));
    let rest = '';
    sockets.add(socket);
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      const text = rest + chunk;
      let counted = 0;
      let end = 0;
      for (const match of text.matchAll(STATUS)) {
        const status = Number(match[1]);
        answers.set(status, (answers.get(status) ?? 0) + 1);
        counted += 1;
        end = match.index + match[0].length;
      }
      rest = text.slice(Math.max(end, text.length - LINE_LENGTH_MAX));
      if (counted > 0 && !isStopped) socket.write(burst(counted));
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      sockets.delete(socket);
      if (!isStopped) open();
    });
  }

  for (let i = 0; i < connections; i++) open();
  return {
    answers: () => answers,
    total: () => [...answers.values()].reduce((sum, count) => sum + count, 0),
    stop() {
      isStopped = true;
      for (const socket of sockets) socket.destroy();
    },
  };
}
