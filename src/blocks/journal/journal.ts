/**
 * A journal: a local append-only file for what is too hot for a transaction each. See README.md for promises.
 *
 * Each start writes a directory of its own. Those that ended processes of this name have left are taken over first, and
 * are shipped before it, oldest first, so that a restarted process keeps its order. What others leave behind later on is
 * taken over too: the lock of a directory is its lease, and it ends with the process that holds it.
 */
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { withSignal } from '#base/deadline';
import { createLifecycle, type Lifecycle, lifecycleErrors } from '#base/lifecycle';
import { createLoop } from '#base/loop';
import type { Metrics } from '#base/metrics';
import type { Runtime } from '#base/runtime';
import type { DirectoryLock } from '#blocks/postgres';
import { toStartError } from './errors.ts';
import { listJournals, lockIfFree, makeOwnDirectory } from './files/directories.ts';
import { assertJournalName } from './files/file-names.ts';
import { createOwnFiles } from './files/files.ts';
import { seedOf } from './files/frames.ts';
import { createGroupCommit, type GroupCommit, type Tick } from './files/group-commit.ts';
import { syncDirectory } from './files/sync-directory.ts';
import { emitJournalMetrics } from './metrics.ts';
import type { JournalOptions } from './options.ts';
import { createShedding } from './shedding.ts';
import { adoptSource, type JournalSource } from './shipping/source.ts';

export interface Journal extends Lifecycle {
  readonly journalName: string;
  /**
   * Resolves when the record is written (with `fsync`: is on disk), together with all of its group. The bytes are
   * copied at once. Under `drop_new` it resolves also when the record was dropped.
   * @throws journal_full, journal_failed (not under `drop_new`), journal_record_too_large, stopped
   */
  append(record: Uint8Array): Promise<void>;
  /**
   * Appends without telling the outcome: for hot paths that answer either way. Written at the end of this turn of the
   * event loop. Never throws.
   * @returns whether the record was taken; one that was not is counted, as is one whose write then fails
   */
  offer(record: Uint8Array): boolean;
  /** What there is to ship, in order: journals of ended processes, then our own. Empty unless running. */
  sources(): readonly JournalSource[];
  /** Forgets a source that has been shipped and removed. */
  forget(source: JournalSource): void;
  /** Calls `listener` when records have been acknowledged, and when a write has failed. @returns how to end that */
  onChange(listener: () => void): () => void;
}

export interface JournalDeps extends Runtime {
  metrics: Metrics;
  tick: Tick;
  /** Holds the journals of all names and processes of this machine; made if it is not there. */
  directory: string;
}

interface Own {
  source: JournalSource;
  commit: GroupCommit;
}

/** @param options of the journal, and its `name`: small letters, digits and underscores, at most 31 */
export function createJournal(options: JournalOptions & { name: string }, deps: JournalDeps): Journal {
  const { name, bytesMax, fileAgeMsMax, adoptEveryMs } = options;
  const { clock, log, directory: root } = deps;
  assertJournalName(name);
  const fileBytesMax = Math.min(options.fileBytesMax, Math.floor(bytesMax / 4));
  const shedding = createShedding(name, deps);
  const listeners = new Set<() => void>();
  let adopted: JournalSource[] = [];
  let own: Own | undefined;
  let offersLost = 0;

  const bytesOfOthers = () => adopted.reduce((sum, source) => sum + source.bytes(), 0);
  const changed = () => {
    for (const listener of listeners) listener();
  };

  emitJournalMetrics(deps.metrics, name, {
    appended: () => own?.commit.end() ?? 0,
    groups: () => own?.commit.groups() ?? 0,
    shed: () => shedding.count() + offersLost,
    bytes: () => bytesOfOthers() + (own?.source.bytes() ?? 0),
  });

  function openOwn(journalId: string, lock: DirectoryLock): Own {
    const directory = join(root, journalId);
    const files = createOwnFiles({ directory, journalId, fileBytesMax, fileAgeMsMax }, { clock });
    const commit = createGroupCommit(options, {
      clock,
      tick: deps.tick,
      files,
      shedding,
      seed: seedOf(journalId),
      otherBytes: bytesOfOthers,
      onChange: changed,
    });
    const source: JournalSource = {
      journalId,
      isOwn: true,
      files: files.list,
      end: commit.end,
      bytes: files.bytes,
      wantsRoom: () => commit.isFailing() && files.bytes() > 0,
      async release(sequence) {
        const isShipped = !commit.isBusy() && commit.end() <= sequence;
        if (isShipped) files.closeFile({ ifDue: !commit.isFailing() });
        await files.release(sequence);
      },
      async remove() {
        await rm(directory, { recursive: true, force: true });
        await syncDirectory(root);
      },
      close: () => lock.release(),
    };
    return { source, commit };
  }

  async function adopt(journalId: string): Promise<void> {
    const directory = join(root, journalId);
    const lock = lockIfFree(directory);
    if (!lock) return;
    try {
      adopted.push(await adoptSource(directory, journalId, lock, { log }));
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** Those of processes that have ended since: a directory of a live one is locked. */
  async function adoptOrphans(): Promise<void> {
    const known = new Set([...adopted, ...(own ? [own.source] : [])].map(({ journalId }) => journalId));
    const orphans = listJournals(root, name).filter((journalId) => !known.has(journalId));
    for (const journalId of orphans) if (!adopting.isStopping()) await adopt(journalId);
    if (adopted.some(({ journalId }) => !known.has(journalId))) changed();
  }

  const adopting = createLoop(clock, {
    async work() {
      await adoptOrphans();
      return adoptEveryMs;
    },
    failed(error) {
      log.warn({ journal: name, err: error }, 'a journal that was left behind could not be taken over');
      return adoptEveryMs;
    },
  });

  const lifecycle = createLifecycle(`journal ${name}`, {
    async start(signal) {
      try {
        mkdirSync(root, { recursive: true, mode: 0o700 });
        for (const journalId of listJournals(root, name)) {
          await adopt(journalId);
          signal.throwIfAborted();
        }
        const { journalId, lock } = makeOwnDirectory(root, name, deps);
        own = openOwn(journalId, lock);
        await syncDirectory(root);
        adopting.begin(adoptEveryMs);
      } catch (error) {
        throw toStartError(root, error);
      }
    },
    async stop(deadline) {
      await adopting.stop();
      await withSignal(own?.commit.close() ?? Promise.resolve(), deadline).catch((error: unknown) => {
        log.warn({ journal: name, err: error }, 'the journal stops while it is still being synced');
      });
      shedding.close();
      // Nothing was ever kept: there is nothing to take over.
      if (own?.commit.end() === 0 && !own.commit.isBusy()) await own.source.remove();
      for (const source of adopted) source.close();
      own?.source.close();
      adopted = [];
      own = undefined;
    },
  });

  return {
    ...lifecycle,
    journalName: name,
    append(record) {
      if (own) return own.commit.append(record);
      return Promise.reject(lifecycleErrors.stopped({ detail: `the journal ${name} is not running` }));
    },
    offer(record) {
      if (own) return own.commit.offer(record);
      offersLost += 1;
      return false;
    },
    sources: () => (own ? [...adopted, own.source] : []),
    forget(source) {
      adopted = adopted.filter((each) => each !== source);
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
