/**
 * A way to a server that can be cut: connections through it stay open and bytes go nowhere, as with a cable that was pulled.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface Partition {
  readonly port: number;
  readonly url: string;
  /** From now on nothing passes, in neither direction, and new connections meet silence. */
  cut(): void;
  /** What was held back passes, as retransmissions do. */
  heal(): void;
  stop(): Promise<void>;
}

export async function createPartition(portBehind: number): Promise<Partition> {
  const sockets = new Set<Socket>();
  let isCut = false;

  function join(from: Socket, to: Socket): void {
    sockets.add(from);
    from.on('data', (bytes) => to.write(bytes));
    from.on('close', () => {
      sockets.delete(from);
      to.destroy();
    });
    // Either end may be killed: the other learns of it by `close`.
    from.on('error', () => from.destroy());
    if (isCut) from.pause();
  }

  const server = createServer((near) => {
    const far = connect(portBehind, '127.0.0.1');
    join(near, far);
    join(far, near);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a port was asked for');
  return {
    port: address.port,
    url: `redis://127.0.0.1:${address.port}`,
    cut() {
      isCut = true;
      for (const socket of sockets) socket.pause();
    },
    heal() {
      isCut = false;
      for (const socket of sockets) socket.resume();
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
