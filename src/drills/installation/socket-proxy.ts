/**
 * The network between a server and its database, as a drill would have it: stands before the database's Unix socket and
 * can be slow, swallow everything, lose one side, or reset, from one moment to the next.
 */
import { mkdirSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '#base/clock';

/**
 * `open`: as if it were not there. `latency`: each piece arrives so much later, either way. `drop`: nothing arrives, and
 * nobody is told; what was on its way arrives when the network is well again, as TCP's repetitions do. `half-open`: the
 * database's side is gone and the client does not know. `reset`: connections break, and new ones too.
 */
export type Network =
  | { kind: 'open' }
  | { kind: 'latency'; delayMs: number }
  | { kind: 'drop' }
  | { kind: 'half-open' }
  | { kind: 'reset' };

export interface SocketProxy {
  /** The socket directory that stands for that of the database. */
  readonly directory: string;
  set(network: Network): void;
  connections(): number;
  close(): Promise<void>;
}

const SOCKET_NAME = '.s.PGSQL.5432';
/** Of one direction, on its way; past it the sender is made to wait. */
const HELD_BYTES_MAX = 4_194_304;

interface Pair {
  /** Moves what is held, as the network now is. */
  apply(): void;
  cut(): void;
}

/** One direction: pieces in order, each no sooner than its delay, none while nothing passes. */
function createFlow(clock: Clock, from: Socket, to: Socket, network: () => Network) {
  const held: { data: Buffer; dueMs: number }[] = [];
  let heldBytes = 0;
  let isWaiting = false;

  function move(): void {
    while (held.length > 0 && network().kind !== 'drop' && network().kind !== 'half-open') {
      const [first] = held;
      const leftMs = (first?.dueMs ?? 0) - clock.monotonicMs();
      if (leftMs > 0) {
        wait(leftMs);
        return;
      }
      held.shift();
      heldBytes -= first?.data.length ?? 0;
      if (first && !to.destroyed) to.write(first.data);
    }
    if (heldBytes < HELD_BYTES_MAX && from.isPaused()) from.resume();
  }

  function wait(delayMs: number): void {
    if (isWaiting) return;
    isWaiting = true;
    clock.after(
      delayMs,
      () => {
        isWaiting = false;
        move();
      },
      'background',
    );
  }

  from.on('data', (data: Buffer) => {
    const now = network();
    const delayMs = now.kind === 'latency' ? now.delayMs : 0;
    held.push({ data, dueMs: clock.monotonicMs() + delayMs });
    heldBytes += data.length;
    if (heldBytes >= HELD_BYTES_MAX) from.pause();
    move();
  });
  return { move };
}

/**
 * @param directory to listen in
 * @param target path of the database's socket, asked at each new connection
 */
export async function startSocketProxy(
  clock: Clock,
  directory: string,
  target: () => string,
): Promise<SocketProxy> {
  const pairs = new Set<Pair>();
  let network: Network = { kind: 'open' };

  function serve(client: Socket): void {
    if (network.kind === 'reset') return void client.destroy();
    const server = connect(target());
    const toServer = createFlow(clock, client, server, () => network);
    const toClient = createFlow(clock, server, client, () => network);
    /** One side is gone, and the other has not heard of it. */
    let isHalf = false;
    const pair: Pair = {
      apply() {
        if (network.kind === 'reset') return pair.cut();
        if (network.kind === 'half-open') {
          isHalf = true;
          server.destroy();
        }
        if (network.kind !== 'open' && network.kind !== 'latency') return;
        // Whoever speaks into a connection that the other side has lost is told so.
        if (isHalf) return pair.cut();
        toServer.move();
        toClient.move();
      },
      cut() {
        pairs.delete(pair);
        client.destroy();
        server.destroy();
      },
    };
    pairs.add(pair);
    // The end of a connection is news too, and does not arrive while nothing does.
    const onClose = () => {
      if (network.kind === 'drop' || network.kind === 'half-open') isHalf = true;
      else pair.cut();
    };
    for (const socket of [client, server]) {
      socket.on('error', () => {});
      socket.on('close', onClose);
    }
  }

  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const listener = createServer(serve);
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(join(directory, SOCKET_NAME), resolve);
  });
  return {
    directory,
    set(next) {
      network = next;
      for (const pair of [...pairs]) pair.apply();
    },
    connections: () => pairs.size,
    async close() {
      for (const pair of [...pairs]) pair.cut();
      if (!listener.listening) return;
      await new Promise<void>((resolve) => listener.close(() => resolve()));
    },
  };
}
