/**
 * How a server shows itself: in the registry of processes from when it can, and as serving once it is.
 */
import { createLifecycle, type Lifecycle } from '#base/lifecycle';
import type { Runtime } from '#base/runtime';
import type { Queryable } from '#blocks/database';
import { createPostgresRegistry, createRegistry } from '#blocks/discovery';
import type { SystemDefinition } from '#blocks/system';
import { formatListen } from '../http/listen-address.ts';
import type { Listener } from '../http/listener.ts';
import type { ServerOptions } from '../options.ts';
import { VERSION } from '../version.ts';

export interface PresenceDeps extends Runtime {
  core: Queryable;
  /** Left out by whoever answers no requests. */
  listener?: Pick<Listener, 'address'>;
}

export interface Announcement {
  /** To be started with what the server stands on. */
  readonly registry: Lifecycle;
  /** To be started when the server serves: first to be told to stop, so that whoever looks sees it draining. */
  readonly announcement: Lifecycle;
}

export function createAnnouncement(
  { registry: options, role }: Pick<ServerOptions, 'registry'> & { role: string },
  definitions: readonly SystemDefinition[],
  { core, listener, ...deps }: PresenceDeps,
): Announcement {
  let state: 'starting' | 'serving' | 'draining' = 'starting';
  const registry = createRegistry(options, {
    ...deps,
    store: createPostgresRegistry(core),
    describe: () => ({
      role,
      systems: definitions.map(({ name }) => name),
      address: listener && formatListen(listener.address()),
      version: VERSION,
      state,
    }),
  });
  return {
    registry,
    announcement: createLifecycle('announcement', {
      async start() {
        state = 'serving';
        await registry.announce();
      },
      async stop() {
        state = 'draining';
        // Not waited for: the drain does not wait for the database.
        void registry.announce();
      },
    }),
  };
}
