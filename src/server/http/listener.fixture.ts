/**
 * A listener alone, in front of a handler of the test's own.
 */
import { connect, type Socket } from 'node:net';
import { systemClock } from '#base/clock';
import { createLog } from '#base/log';
import { parseOptions } from '#base/options';
import { systemRandom } from '#base/random';
import { createTracer } from '#base/trace';
import { type ServerOptions, serverOptions } from '../options.ts';
import { createAccessSamples } from '../trace/access-samples.ts';
import { createListener, type Handler, type Listener } from './listener.ts';

export interface TestListener {
  listener: Listener;
  port: number;
  logs: Record<string, unknown>[];
  stop(): Promise<void>;
}

export async function startTestListener(
  handler: Handler,
  http: Record<string, unknown> = {},
): Promise<TestListener> {
  const options = parseOptions(serverOptions, { listen: '127.0.0.1:0', http }) as ServerOptions;
  const logs: Record<string, unknown>[] = [];
  const log = createLog(
    { level: 'debug', service: 'test' },
    { write: (line) => logs.push(JSON.parse(line)) },
  );
  const listener = createListener(options, {
    ...{ clock: systemClock, log, tracer: createTracer(systemRandom) },
    samples: createAccessSamples(options.log, { clock: systemClock }),
    onCutOff: () => {},
  });
  listener.setHandler(handler);
  const { signal } = new AbortController();
  await listener.port.start(signal);
  await listener.front.start(signal);
  return {
    listener,
    port: listener.address().port,
    logs,
    async stop() {
      await listener.front.stop(AbortSignal.abort(new Error('the test is over')));
    },
  };
}

export interface Client {
  socket: Socket;
  /** All that has come, as Latin-1. */
  received(): string;
  /** Whether the last that has come is this; looks at a few bytes only. */
  endsWith(text: string): boolean;
  /** Status and body of each answer so far. */
  answers(): { status: number; body: string }[];
  /** Resolves when `holds` does, which is asked at each chunk. */
  until(holds: () => boolean): Promise<void>;
  /** Resolves when the server has closed. */
  closed: Promise<void>;
}

/** A connection that reads what it is sent. */
export function openClient(port: number): Client {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const chunks: string[] = [];
  let tail = '';
  const received = () => chunks.join('');
  const waiting = new Set<() => void>();
  const closed = new Promise<void>((resolve) => {
    socket.on('end', resolve);
    socket.on('close', () => resolve());
  });
  socket.on('error', () => {});
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => {
    chunks.push(chunk);
    tail = (tail + chunk).slice(-100);
    for (const look of waiting) look();
  });
  const answers = () => {
    const found: { status: number; body: string }[] = [];
    const all = received();
    let at = 0;
    while (true) {
      const end = all.indexOf('\r\n\r\n', at);
      if (end === -1) return found;
      const head = all.slice(at, end);
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
      if (all.length < end + 4 + length) return found;
      found.push({ status: Number(head.slice(9, 12)), body: all.slice(end + 4, end + 4 + length) });
      at = end + 4 + length;
    }
  };
  return {
    socket,
    closed,
    received,
    endsWith: (text) => tail.endsWith(text),
    answers,
    until: (holds) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!holds()) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        closed.then(() => {
          if (waiting.has(look)) reject(new Error(`closed before that, after: ${tail}`));
        });
        look();
      }),
  };
}
