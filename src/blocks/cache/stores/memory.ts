/**
 * Entries in the memory of this process: a Map from keys to slots, and everything else in arrays by slot, so that an entry is no
 * object of its own. Bounded by entries and by bytes. What is over goes when it is asked for, a few at each entry that comes,
 * and by `sweep`.
 */
import assert from 'node:assert/strict';
import type { Runtime } from '#base/runtime';
import { hashKey } from '../hash.ts';
import { grownFloat64, NO_SLOT } from '../policies/policy.ts';
import { createPolicy, NEEDS_HASHES, type PolicyName } from '../policy-names.ts';
import type { CacheStore, Entry, FillOutcome, Held, Kept, StoreCounts } from '../store.ts';
import { createFills } from './fills.ts';
import { createTagIndex } from './tag-index.ts';
import { createTimes } from './times.ts';

export interface MemoryStoreOptions {
  policy: PolicyName;
  entriesMax: number;
  /** Of all entries together; 0: bytes are not counted. */
  bytesMax: number;
  /** Of one entry; a larger one is not kept. */
  entryBytesMax: number;
  /** Fills that may be under way at once. */
  fillsMax: number;
}

export interface MemoryStoreDeps extends Pick<Runtime, 'clock' | 'random'> {
  /** Is told of the requests for a sample of the keys: those whose hash, as a whole number without sign, is below. */
  sampler?: { below: number; requested(hash: number): void } | undefined;
}

const SLOTS_AT_FIRST = 256;
/** Entries looked at for each that comes, so that what is over goes faster than entries come. */
const SWEPT_PER_ENTRY = 2;

/** Arrays by slot, which grow together. */
function createSlots<V>({ policy, entriesMax, bytesMax }: MemoryStoreOptions, { random }: MemoryStoreDeps) {
  const values: (Held<V> | undefined)[] = [];
  const keys: (string | undefined)[] = [];
  const free: number[] = [];
  const times = createTimes();
  const order = createPolicy(policy, random);
  let bytes = new Float64Array(0);
  let versions: Float64Array<ArrayBuffer> | undefined;
  let room = 0;

  function grow(): void {
    room = Math.min(entriesMax, Math.max(SLOTS_AT_FIRST, 2 * room));
    times.grow(room);
    order.grow(room);
    if (bytesMax > 0) bytes = grownFloat64(bytes, room);
    if (versions) versions = grownFloat64(versions, room);
  }

  return {
    ...{ values, keys, times, order },
    take(): number {
      const slot = free.pop() ?? values.length;
      if (slot >= room) grow();
      return slot;
    },
    giveBack(slot: number): void {
      values[slot] = undefined;
      keys[slot] = undefined;
      free.push(slot);
    },
    bytes: (slot: number) => (bytesMax > 0 ? (bytes[slot] as number) : 0),
    setBytes(slot: number, count: number): void {
      if (bytesMax > 0) bytes[slot] = count;
    },
    /** 0 when it has none. */
    version: (slot: number) => versions?.[slot] ?? 0,
    setVersion(slot: number, version: number | undefined): void {
      if (version === undefined && versions === undefined) return;
      versions ??= new Float64Array(room);
      versions[slot] = version ?? 0;
    },
  };
}

/** @param options its bounds, and who goes when there is no room */
export function createMemoryStore<V>(options: MemoryStoreOptions, deps: MemoryStoreDeps): CacheStore<V> {
  const { entriesMax, bytesMax, entryBytesMax } = options;
  assert(entriesMax >= 1, 'a cache keeps something');
  const { clock, sampler } = deps;
  const slots = createSlots<V>(options, deps);
  const { values, keys, times, order } = slots;
  const index = new Map<string, number>();
  const tags = createTagIndex();
  const fills = createFills(options);
  const seed = deps.random.bytes(4).readInt32LE();
  const needsHashes = NEEDS_HASHES.has(options.policy);
  const sampledBelow = sampler?.below ?? 0;
  const counts: StoreCounts = { entries: 0, bytes: 0, evicted: 0, expired: 0, voided: 0, refused: 0 };
  let hand = 0;

  function sample(key: string): void {
    const hash = hashKey(key, seed);
    if (hash >>> 0 < sampledBelow) sampler?.requested(hash);
  }

  /** The policy has forgotten it already. */
  function drop(slot: number): void {
    index.delete(keys[slot] as string);
    tags.drop(slot);
    counts.bytes -= slots.bytes(slot);
    slots.giveBack(slot);
  }

  function remove(slot: number): void {
    order.remove(slot);
    drop(slot);
  }

  function makeRoom(bytes: number, entries: number): void {
    while (index.size + entries > entriesMax || (bytesMax > 0 && counts.bytes + bytes > bytesMax)) {
      const slot = order.evict();
      if (slot === NO_SLOT) return;
      drop(slot);
      counts.evicted += 1;
    }
  }

  function sweep(looked: number): void {
    const nowMs = clock.monotonicMs();
    for (let n = Math.min(looked, keys.length); n > 0; n--) {
      hand = hand + 1 < keys.length ? hand + 1 : 0;
      if (keys[hand] === undefined || times.keepUntilMs(hand) > nowMs) continue;
      remove(hand);
      counts.expired += 1;
    }
  }

  function write(slot: number, entry: Entry<V>): void {
    values[slot] = entry.value;
    times.set(slot, clock.monotonicMs(), entry);
    slots.setBytes(slot, entry.bytes);
    slots.setVersion(slot, entry.version);
    tags.set(slot, entry.tags);
    counts.bytes += slots.bytes(slot);
  }

  function insert(key: string, entry: Entry<V>): void {
    sweep(SWEPT_PER_ENTRY);
    makeRoom(entry.bytes, 1);
    const slot = slots.take();
    keys[slot] = key;
    write(slot, entry);
    index.set(key, slot);
    order.add(slot, needsHashes ? hashKey(key, seed) : 0, times.keepUntilMs(slot));
  }

  function keep(key: string, entry: Entry<V>): FillOutcome {
    const slot = index.get(key);
    const known = slot === undefined ? 0 : slots.version(slot);
    if (entry.version !== undefined && entry.version < Math.max(known, fills.floor(key))) {
      // It may be older than what is known to be there, and newer than what is kept.
      if (slot !== undefined && known < entry.version) remove(slot);
      counts.voided += 1;
      return 'outdated';
    }
    const isTooLarge = bytesMax > 0 && entry.bytes > Math.min(bytesMax, entryBytesMax);
    if (isTooLarge || entry.keepForMs <= 0) {
      if (slot !== undefined) remove(slot);
      if (isTooLarge) counts.refused += 1;
      return 'refused';
    }
    if (slot === undefined) insert(key, entry);
    else {
      counts.bytes -= slots.bytes(slot);
      write(slot, entry);
      order.renew(slot, times.keepUntilMs(slot));
      makeRoom(0, 0);
    }
    return 'kept';
  }

  /** What was read where the change had been made already may stay. */
  function forget(slot: number, version: number | undefined): void {
    if (version !== undefined && slots.version(slot) >= version) return;
    remove(slot);
  }

  function keptOf(slot: number): Kept<V> {
    return {
      value: values[slot] as Held<V>,
      filledMs: times.filledMs(slot),
      refreshMs: times.refreshMs(slot),
      freshUntilMs: times.freshUntilMs(slot),
      version: slots.version(slot) || undefined,
    };
  }

  return {
    fresh(key, nowMs) {
      const slot = index.get(key);
      if (slot === undefined || !times.isPlain(slot, nowMs)) return undefined;
      order.touch(slot);
      if (sampledBelow > 0) sample(key);
      return values[slot];
    },
    get(key) {
      if (sampledBelow > 0) sample(key);
      const slot = index.get(key);
      if (slot === undefined) return undefined;
      if (times.keepUntilMs(slot) <= clock.monotonicMs()) {
        remove(slot);
        counts.expired += 1;
        return undefined;
      }
      order.touch(slot);
      return keptOf(slot);
    },
    begin: (key) => fills.begin(key),
    fill(key, fill, entry) {
      if (!fills.end(key, fill, entry.tags ?? [])) {
        counts.voided += 1;
        return 'void';
      }
      return keep(key, entry);
    },
    write(key, fill, entry) {
      const isSole = fills.end(key, fill, entry.tags ?? []);
      fills.keyChanged(key, entry.version);
      if (isSole) return keep(key, entry);
      const slot = index.get(key);
      if (slot !== undefined) remove(slot);
      counts.voided += 1;
      return 'void';
    },
    abandon: (key, fill) => void fills.end(key, fill, []),
    put(key, entry) {
      fills.keyChanged(key, entry.version);
      return keep(key, entry);
    },
    invalidate(changed, version) {
      for (const key of changed) {
        fills.keyChanged(key, version);
        const slot = index.get(key);
        if (slot !== undefined) forget(slot, version);
      }
    },
    invalidateTags(changed, version) {
      for (const tag of changed) {
        fills.tagChanged(tag, version);
        for (const slot of tags.slots(tag)) forget(slot, version);
      }
    },
    clear(version) {
      fills.allChanged(version);
      for (const slot of index.values()) forget(slot, version);
    },
    distrust() {
      fills.allChanged(undefined);
      times.distrust();
    },
    sweep,
    counts() {
      counts.entries = index.size;
      return { ...counts };
    },
  };
}
