/**
 * Look-ups of many callers joined into few queries: those of one tick share one, and while it is under way the next ones
 * gather, so that a storm of callers costs one connection and few round trips. A key is asked for once, however many wait.
 */
import type { Clock } from '#base/clock';
import { createPatientDeadline } from '#base/deadline';

export interface LookUpsOptions<Value> {
  /** Callers that may wait; one more is refused. */
  waitingMax: number;
  /** Keys in one query. */
  batchMax: number;
  /** A query without an answer after this fails, with all who wait for it. */
  timeoutMs: number;
  /** What is there of the keys; those without a value are left out. */
  find: (keys: readonly string[], signal: AbortSignal) => Promise<ReadonlyMap<string, Value>>;
  /** What one caller too many is told. */
  refuse: (waiting: number) => Error;
}

export interface LookUps<Value> {
  /**
   * Undefined for a key that has no value.
   * @param first asked before those who wait already, and not counted among them: for callers who are known to be honest
   * @throws what `refuse` makes, deadline_exceeded, what `find` throws
   */
  find(key: string, first?: 'first'): Promise<Value | undefined>;
  waiting(): number;
}

interface Waiter<Value> {
  resolve: (value: Value | undefined) => void;
  reject: (error: unknown) => void;
}

interface Line<Value> {
  waiters: Waiter<Value>[];
  /** Of those, how many count among the waiting. */
  counted: number;
}

/** One query at a time. */
export function createLookUps<Value>(options: LookUpsOptions<Value>, deps: { clock: Clock }): LookUps<Value> {
  /** In the order in which they are asked for. */
  const preferred = new Map<string, Line<Value>>();
  const ordinary = new Map<string, Line<Value>>();
  let waiting = 0;
  let isRunning = false;

  function take(): Map<string, Line<Value>> {
    const batch = new Map<string, Line<Value>>();
    for (const lines of [preferred, ordinary]) {
      for (const [key, line] of lines) {
        if (batch.size >= options.batchMax) return batch;
        batch.set(key, line);
        lines.delete(key);
      }
    }
    return batch;
  }

  async function ask(batch: ReadonlyMap<string, Line<Value>>): Promise<void> {
    const deadline = createPatientDeadline(deps.clock, options.timeoutMs);
    try {
      const found = await options.find([...batch.keys()], deadline.signal);
      for (const [key, { waiters }] of batch) for (const { resolve } of waiters) resolve(found.get(key));
    } catch (error) {
      for (const { waiters } of batch.values()) for (const { reject } of waiters) reject(error);
    } finally {
      deadline.done();
    }
    for (const { counted } of batch.values()) waiting -= counted;
  }

  async function run(): Promise<void> {
    while (preferred.size + ordinary.size > 0) await ask(take());
    isRunning = false;
  }

  function lineOf(key: string, first: boolean): Line<Value> {
    const line = preferred.get(key) ?? ordinary.get(key) ?? { waiters: [], counted: 0 };
    if (first) ordinary.delete(key);
    if (first || !preferred.has(key)) (first ? preferred : ordinary).set(key, line);
    return line;
  }

  return {
    waiting: () => waiting,
    find: (key, first) =>
      new Promise((resolve, reject) => {
        if (!first && waiting >= options.waitingMax) return reject(options.refuse(waiting));
        const line = lineOf(key, first !== undefined);
        line.waiters.push({ resolve, reject });
        if (!first) {
          line.counted += 1;
          waiting += 1;
        }
        if (isRunning) return;
        isRunning = true;
        // With those that come in this tick.
        queueMicrotask(run);
      }),
  };
}
