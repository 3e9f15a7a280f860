/**
 * Group commit: what is appended in one turn of the event loop is one group, and goes into the file in one write; with
 * `fsync` a group is what was appended while the last one was being synced. All callers of a group share one promise.
 *
 * States:  open ◀──a write succeeds── failing        A group that fails is taken back whole: none of it stays in the
 *           └──a write or sync fails──▶ ┘            file, its sequences are given again, its records are shed.
 *          closed (from either)                      While failing, one group is tried every RETRY_MS.
 */
import type { Clock } from '#base/clock';
import type { LoadstoneError } from '#base/errors';
import { lifecycleErrors } from '#base/lifecycle';
import { tooLarge, tooMuchWaits, toWriteError } from '../errors.ts';
import type { JournalOptions } from '../options.ts';
import type { Shedding } from '../shedding.ts';
import type { Mark, OwnFile, OwnFiles } from './files.ts';
import { FRAME_BYTES, putFrame } from './frames.ts';

/** Calls `run` once, later, when the input and output of this turn of the event loop has been handled: `setImmediate`. */
export type Tick = (run: () => void) => void;

export interface GroupCommitDeps {
  clock: Clock;
  tick: Tick;
  files: OwnFiles;
  shedding: Shedding;
  /** What the checksums begin with. */
  seed: number;
  /** Bytes of other journals that this process keeps, which count too. */
  otherBytes: () => number;
  /** Told when records have been acknowledged, and when a write or sync has failed. */
  onChange: () => void;
}

export interface GroupCommit {
  append(record: Uint8Array): Promise<void>;
  offer(record: Uint8Array): boolean;
  /** The sequence after the last acknowledged record. */
  end(): number;
  /** Groups acknowledged. */
  groups(): number;
  isFailing(): boolean;
  /** Whether something is still to be written or acknowledged. */
  isBusy(): boolean;
  /** Writes (and syncs) what has been appended; refuses what comes later. */
  close(): Promise<void>;
}

type State =
  | { kind: 'open' }
  | { kind: 'failing'; error: LoadstoneError; retryAtMs: number }
  | { kind: 'closed' };

/** How far a file has been written. */
interface Written {
  file: OwnFile;
  size: number;
  end: number;
}

/** Records that are acknowledged together. They lie in one file. */
interface Group {
  first: number;
  start: Mark;
  written: Written | undefined;
  waiters: PromiseWithResolvers<void> | undefined;
}

/** Of the buffer in which a group is gathered; a group that outgrows it is written in several pieces. */
const GATHER_BYTES = 256 * 1024;
const RETRY_MS = 200;

export function createGroupCommit(options: JournalOptions, deps: GroupCommitDeps): GroupCommit {
  const { fsync, whenFull, bytesMax, recordBytesMax } = options;
  const { clock, tick, files, shedding, seed, otherBytes, onChange } = deps;
  const buffer = Buffer.allocUnsafeSlow(Math.max(GATHER_BYTES, FRAME_BYTES + recordBytesMax));
  const full = tooMuchWaits(bytesMax);
  const dropped = Promise.resolve();
  let state: State = { kind: 'open' };
  let group: Group | undefined;
  let syncing: Promise<void> | undefined;
  let used = 0;
  let next = 0;
  let gatheredMs = 0;
  let end = 0;
  let groups = 0;
  let isTicking = false;

  /** Takes the record into the group, or says why not. */
  function gather(record: Uint8Array): LoadstoneError | undefined {
    const bytes = FRAME_BYTES + record.length;
    if (state.kind === 'closed') return lifecycleErrors.stopped({ detail: 'the journal has been stopped' });
    if (record.length > recordBytesMax) return tooLarge(record.length, recordBytesMax);
    if (state.kind === 'failing' && clock.monotonicMs() < state.retryAtMs) return state.error;
    if (files.bytes() + otherBytes() + used + bytes > bytesMax) return full;
    if (used + bytes > buffer.length) {
      const error = fsync ? write() : commit();
      if (error) return error;
    }
    group ??= { first: next, start: files.mark(), written: undefined, waiters: undefined };
    if (used === 0) gatheredMs = Math.max(0, Math.floor(clock.nowMs()));
    used = putFrame(buffer, used, { sequence: next, atMs: gatheredMs, bytes: record }, seed);
    next += 1;
    if (!isTicking) {
      isTicking = true;
      tick(onTick);
    }
    return undefined;
  }

  function onTick(): void {
    isTicking = false;
    if (!syncing) commit();
  }

  /** Puts the gathered bytes into the file. @returns why that failed; the group is gone then */
  function write(): LoadstoneError | undefined {
    if (!group || used === 0) return undefined;
    try {
      const file = files.write(buffer, used, group.first);
      group.written = { file, size: file.size, end: next };
    } catch (error) {
      return fail(error);
    }
    used = 0;
    if (state.kind === 'failing') state = { kind: 'open' };
    shedding.end();
    return undefined;
  }

  function commit(): LoadstoneError | undefined {
    const error = write();
    const done = group;
    if (!done?.written) return error;
    group = undefined;
    if (fsync) syncing = sync(done, done.written);
    else acknowledge(done, done.written);
    return undefined;
  }

  async function sync(done: Group, written: Written): Promise<void> {
    const failure = await files.sync(written.file).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    if (failure) {
      // After a failed sync the kernel may hold dirty pages for clean: nothing written since the last good one is
      // trusted, and the file is not written again.
      takeBack(done, fail(failure.error));
      files.closeFile();
    } else acknowledge(done, written);
    syncing = undefined;
    if (group) commit();
  }

  function acknowledge({ waiters }: Group, written: Written): void {
    files.acknowledge(written.file, written.end, written.size);
    groups += 1;
    end = written.end;
    waiters?.resolve();
    onChange();
  }

  function fail(cause: unknown): LoadstoneError {
    const error = toWriteError(cause);
    if (state.kind !== 'closed')
      state = { kind: 'failing', error, retryAtMs: clock.monotonicMs() + RETRY_MS };
    if (group) takeBack(group, error);
    onChange();
    return error;
  }

  function takeBack({ first, start, written, waiters }: Group, error: LoadstoneError): void {
    files.undo(start, written?.file);
    shedding.shed(next - first, error);
    if (whenFull === 'reject') waiters?.reject(error);
    else waiters?.resolve();
    next = first;
    used = 0;
    group = undefined;
  }

  return {
    append(record) {
      const error = gather(record);
      if (!error) return promiseOf(group as Group);
      if (!isShed(error)) return Promise.reject(error);
      shedding.shed(1, error);
      return whenFull === 'drop_new' ? dropped : Promise.reject(error);
    },
    offer(record) {
      const error = gather(record);
      if (error) shedding.shed(1, error);
      return error === undefined;
    },
    end: () => end,
    groups: () => groups,
    isFailing: () => state.kind === 'failing',
    isBusy: () => group !== undefined || syncing !== undefined,
    async close() {
      state = { kind: 'closed' };
      if (!syncing) commit();
      while (syncing) await syncing;
      files.closeFile();
    },
  };
}

function promiseOf(group: Group): Promise<void> {
  group.waiters ??= Promise.withResolvers();
  return group.waiters.promise;
}

/** Whether the policy for a full journal decides; a record that can never be kept is refused in any case. */
function isShed({ code }: LoadstoneError): boolean {
  return code === 'journal_full' || code === 'journal_failed';
}
