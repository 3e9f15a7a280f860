/**
 * Stands between a client and the socket of a Postgres: counts round trips, changes what clients send, and cuts
 * connections at a chosen moment.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { systemClock, type Timer } from '#base/clock';
import { makeTestDirectory } from './fixture.ts';

export interface SocketProxy {
  /** Where clients find it, in place of the server's own directory. */
  directory: string;
  /** How often a client has had to wait for an answer since the last call: what it sends between two answers is one burst. */
  takeRoundTrips(): number;
  /** Cuts the next connection that sends `text`: before the server gets it, or when the server has answered. */
  cutAt(text: string, when: 'sent' | 'answered'): void;
  /** Puts `text` in the place of `was`, which is as long, in all that clients send from now on. */
  replace(was: string, text: string): void;
  /** Lets nothing pass in either direction, and nobody know, until the function it gives is called. */
  hold(): () => void;
  close(): Promise<void>;
}

/** A client that can go on without an answer does so in the same tick, far below this. */
const QUIET_MS = 5;
const SOCKET_NAME = '.s.PGSQL.5432';

export async function startSocketProxy(socketDirectory: string): Promise<SocketProxy> {
  const directory = makeTestDirectory();
  const sockets = new Set<Socket>();
  let roundTrips = 0;
  let plan: { text: string; when: 'sent' | 'answered' } | undefined;
  let replacement = { was: '', text: '' };
  /** What has yet to pass, while nothing may. */
  let kept: (() => void)[] | undefined;
  const pass = (act: () => void) => (kept ? void kept.push(act) : act());

  function serve(client: Socket): void {
    const server = connect(join(socketDirectory, SOCKET_NAME));
    let held: Buffer[] = [];
    let quiet: Timer | undefined;
    let isDoomed = false;
    let hasAnswer = true;

    const cut = () => {
      client.destroy();
      server.destroy();
    };
    // An answer goes on only when the client has had time to say all it can say without it.
    const release = () => {
      quiet = undefined;
      if (held.length === 0) return;
      hasAnswer = true;
      const answer = Buffer.concat(held);
      pass(() => client.write(answer));
      held = [];
    };
    const waitForQuiet = () => {
      quiet?.cancel();
      quiet = systemClock.after(QUIET_MS, release);
    };
    client.on('data', (data) => {
      const at = data.indexOf(replacement.was);
      if (at !== -1) data.write(replacement.text, at);
      const isPlanned = plan !== undefined && data.includes(plan.text);
      if (isPlanned && plan?.when === 'sent') return cut();
      isDoomed ||= isPlanned;
      // Not the answers themselves: a busy server sends one in parts.
      if (hasAnswer) roundTrips += 1;
      hasAnswer = false;
      pass(() => server.write(data));
      waitForQuiet();
    });
    server.on('data', (data) => {
      if (isDoomed) return cut();
      held.push(data);
      if (!quiet) waitForQuiet();
    });
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on('error', cut);
      socket.on('close', () => {
        sockets.delete(socket);
        quiet?.cancel();
        cut();
      });
    }
  }

  const listener = createServer(serve).listen(join(directory, SOCKET_NAME));
  await once(listener, 'listening');
  return {
    directory,
    takeRoundTrips() {
      const taken = roundTrips;
      roundTrips = 0;
      return taken;
    },
    cutAt(text, when) {
      plan = { text, when };
    },
    replace(was, text) {
      assert.equal(was.length, text.length);
      replacement = { was, text };
    },
    hold() {
      kept = [];
      return () => {
        const acts = kept ?? [];
        kept = undefined;
        for (const act of acts) act();
      };
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}
