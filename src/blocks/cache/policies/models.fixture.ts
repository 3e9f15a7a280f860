/**
 * What each policy must do, as plainly as it can be said: lists of keys, searched from one end to the other at each step. Written
 * for themselves; the one thing that they share with a policy is the sketch, which has a test of its own against exact counts.
 */
import type { PolicyName } from '../policy-names.ts';
import { createFrequencySketch } from './frequency-sketch.ts';

export interface Model {
  add(key: string, untilMs: number): void;
  touch(key: string): void;
  renew(key: string, untilMs: number): void;
  remove(key: string): void;
  evict(): string | undefined;
}

const without = (list: string[], key: string) => list.splice(list.indexOf(key), 1);

/** Newest last. */
function orderModel(isMovedByUse: boolean, goes: 'first' | 'last'): Model {
  const keys: string[] = [];
  function use(key: string): void {
    if (!isMovedByUse) return;
    without(keys, key);
    keys.push(key);
  }
  return {
    add: (key) => void keys.push(key),
    touch: use,
    renew: use,
    remove: (key) => void without(keys, key),
    evict: () => (goes === 'first' ? keys.shift() : keys.pop()),
  };
}

function lfuModel(): Model {
  let entries: { key: string; uses: number; usedAt: number }[] = [];
  let turn = 0;
  function use(key: string): void {
    const entry = entries.find((each) => each.key === key);
    if (entry) Object.assign(entry, { uses: entry.uses + 1, usedAt: turn++ });
  }
  const remove = (key: string) => {
    entries = entries.filter((each) => each.key !== key);
  };
  return {
    add: (key) => void entries.push({ key, uses: 1, usedAt: turn++ }),
    touch: use,
    renew: use,
    remove,
    evict() {
      const [least] = entries.toSorted((a, b) => a.uses - b.uses || a.usedAt - b.usedAt);
      if (least) remove(least.key);
      return least?.key;
    },
  };
}

function ttlModel(): Model {
  let entries: { key: string; untilMs: number }[] = [];
  const remove = (key: string) => {
    entries = entries.filter((each) => each.key !== key);
  };
  const add = (key: string, untilMs: number) => void entries.push({ key, untilMs });
  return {
    add,
    touch() {},
    renew(key, untilMs) {
      remove(key);
      add(key, untilMs);
    },
    remove,
    evict() {
      const [first] = entries.toSorted((a, b) => a.untilMs - b.untilMs);
      if (first) remove(first.key);
      return first?.key;
    },
  };
}

/** The paper's pseudo-code, over a list whose first is the newest ("head") and whose last is the oldest ("tail"). */
function sieveModel(): Model {
  const queue: { key: string; visited: boolean }[] = [];
  let hand: { key: string; visited: boolean } | undefined;
  const find = (key: string) => queue.find((each) => each.key === key);
  function take(entry: { key: string; visited: boolean }): void {
    const at = queue.indexOf(entry);
    hand = hand === entry || hand === undefined ? queue[at - 1] : hand;
    queue.splice(at, 1);
  }
  return {
    add: (key) => void queue.unshift({ key, visited: false }),
    touch(key) {
      const entry = find(key);
      if (entry) entry.visited = true;
    },
    renew(key) {
      this.touch(key);
    },
    remove(key) {
      const entry = find(key);
      if (entry === undefined) return;
      if (hand === entry) take(entry);
      else queue.splice(queue.indexOf(entry), 1);
    },
    evict() {
      let entry = hand ?? queue.at(-1);
      if (entry === undefined) return undefined;
      while (entry.visited) {
        entry.visited = false;
        entry = queue[queue.indexOf(entry) - 1] ?? queue.at(-1);
        if (entry === undefined) return undefined;
      }
      hand = entry;
      take(entry);
      return entry.key;
    },
  };
}

/** Who went last, and what it says about the window. */
function shareModel(entriesMax: number) {
  const away: string[] = [];
  const out: string[] = [];
  const remembered = Math.max(4, Math.floor(entriesMax / 16));
  let share = 0.01;
  function remember(list: string[], key: string): void {
    if (list.includes(key)) without(list, key);
    list.push(key);
    while (list.length > remembered) list.shift();
  }
  return {
    share: () => share,
    turnedAway: (key: string) => remember(away, key),
    takenOut: (key: string) => remember(out, key),
    came(key: string, entries: number) {
      const step = 1 / Math.max(1, entries);
      if (away.includes(key)) {
        without(away, key);
        share = Math.min(0.99, share + 4 * step);
      }
      if (out.includes(key)) {
        without(out, key);
        share = Math.max(0.01, share - 2 * step);
      }
    },
  };
}

/** Each list has its newest last. */
function windowTinyLfuModel(entriesMax: number, hashOf: (key: string) => number): Model {
  const window: string[] = [];
  const probation: string[] = [];
  const guarded: string[] = [];
  const frequency = createFrequencySketch();
  frequency.grow(entriesMax);
  const shares = shareModel(entriesMax);
  const size = () => window.length + probation.length + guarded.length;
  const windowMax = () => Math.max(1, Math.floor(size() * shares.share()));
  function shrink(): void {
    for (let n = 0; n < 8 && window.length > windowMax(); n++) probation.push(window.shift() as string);
  }
  function touch(key: string): void {
    frequency.increment(hashOf(key));
    if (window.includes(key)) {
      without(window, key);
      window.push(key);
    } else if (guarded.includes(key)) {
      without(guarded, key);
      guarded.push(key);
    } else {
      without(probation, key);
      guarded.push(key);
      if (guarded.length > Math.floor((size() - window.length) * 0.8))
        probation.push(guarded.shift() as string);
    }
  }
  return {
    add(key) {
      shares.came(key, size());
      frequency.increment(hashOf(key));
      window.push(key);
      shrink();
    },
    touch,
    renew: touch,
    remove(key) {
      for (const list of [window, probation, guarded]) if (list.includes(key)) without(list, key);
    },
    evict() {
      if (size() === 0) return undefined;
      shrink();
      const main = probation.length > 0 ? probation : guarded;
      if (main.length === 0) return window.shift();
      if (window.length === 0 || window.length + 1 <= windowMax()) {
        shares.takenOut(main[0] as string);
        return main.shift();
      }
      const candidate = window.shift() as string;
      const [asked, ofVictim] = [candidate, main[0] as string].map((key) => frequency.estimate(hashOf(key)));
      if ((asked as number) <= (ofVictim as number)) {
        shares.turnedAway(candidate);
        return candidate;
      }
      const victim = main.shift() as string;
      shares.takenOut(victim);
      probation.push(candidate);
      return victim;
    },
  };
}

/** Of `random` there is none: it is judged by its spread. */
export const MODELS: Record<
  Exclude<PolicyName, 'random'>,
  (entriesMax: number, hashOf: (key: string) => number) => Model
> = {
  fifo: () => orderModel(false, 'first'),
  lifo: () => orderModel(false, 'last'),
  lru: () => orderModel(true, 'first'),
  mru: () => orderModel(true, 'last'),
  lfu: lfuModel,
  ttl: ttlModel,
  sieve: sieveModel,
  'window-tiny-lfu': windowTinyLfuModel,
};
