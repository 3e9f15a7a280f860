/**
 * Keeps this process in the registry for as long as it lives.
 *
 * States:  absent ──start──▶ listed, beating ──stop──▶ removed
 *                              └──killed, frozen, cut off──▶ silent ──silentMsMax──▶ lost ──forgetMs──▶ forgotten
 */
import { hostname } from 'node:os';
import { togetherMs } from '#base/clock';
import { createDeadline, withSignal } from '#base/deadline';
import { createLifecycle, type Lifecycle } from '#base/lifecycle';
import { createLoop } from '#base/loop';
import type { Runtime } from '#base/runtime';
import type { RegistryOptions } from './options.ts';
import type { ProcessDescription, ProcessEntry, ProcessIdentity, RegistryStore } from './store.ts';

export interface RegistryDeps extends Runtime {
  store: RegistryStore;
  /** Asked at each beat. */
  describe: () => ProcessDescription;
}

export interface Registry extends Lifecycle {
  readonly processId: string;
  /** Says at once what has changed, instead of at the next beat. Does not fail. */
  announce(): Promise<void>;
}

/** An entry, and whether its process counts as alive. */
export interface ListedProcess extends ProcessEntry {
  isLive: boolean;
}

/** The processes of the installation, live and lost. @throws what the store throws */
export async function listProcesses(
  store: RegistryStore,
  { silentMsMax }: Pick<RegistryOptions, 'silentMsMax'>,
): Promise<ListedProcess[]> {
  const entries = await store.list();
  return entries.map((entry) => ({ ...entry, isLive: entry.silentMs < silentMsMax }));
}

const FORGET_EVERY_MS = 60_000;

/** A beat that fails is logged once, and made up for by the next: being listed is no condition of serving. */
export function createRegistry(options: RegistryOptions, deps: RegistryDeps): Registry {
  const { beatMs, forgetMs } = options;
  const { clock, random, log, store, describe } = deps;
  const { pid } = process;
  const host = hostname();
  const identity: ProcessIdentity = {
    processId: `${host}:${pid}:${random.bytes(4).toString('hex')}`,
    host,
    pid,
  };
  let beating = Promise.resolve();
  let isFailing = false;
  let forgetAtMs = Number.NEGATIVE_INFINITY;

  async function beatOnce(): Promise<void> {
    const deadline = createDeadline(clock, Math.max(1000, beatMs));
    try {
      await withSignal(store.beat(identity, describe()), deadline.signal);
      if (clock.monotonicMs() >= forgetAtMs) {
        await withSignal(store.forget(forgetMs), deadline.signal);
        forgetAtMs = clock.monotonicMs() + Math.min(FORGET_EVERY_MS, forgetMs);
      }
      isFailing = false;
    } catch (error) {
      if (!isFailing) log.warn({ err: error }, 'the registry of processes could not be reached');
      isFailing = true;
    } finally {
      deadline.done();
    }
  }

  /** One at a time, so that an older state never follows a newer one. */
  function beat(): Promise<void> {
    beating = beating.then(beatOnce);
    return beating;
  }

  const loop = createLoop(clock, {
    async work() {
      await beat();
      return togetherMs(clock, beatMs);
    },
    failed(error) {
      log.error({ err: error }, 'this process could not describe itself; trying again');
      return togetherMs(clock, beatMs);
    },
  });

  const lifecycle = createLifecycle('registry', {
    async start(signal) {
      await withSignal(loop.begin(), signal);
    },
    async stop(deadline) {
      // Not before the beat under way has ended: it would list this process again.
      const removed = Promise.all([loop.stop(), beating]).then(() => store.remove(identity.processId));
      await withSignal(removed, deadline).catch((error: unknown) => {
        log.warn({ err: error }, 'this process perhaps stays listed until it is forgotten');
      });
    },
  });

  return {
    ...lifecycle,
    processId: identity.processId,
    async announce() {
      forgetAtMs = Number.NEGATIVE_INFINITY;
      if (!loop.isStopping()) await beat();
    },
  };
}
