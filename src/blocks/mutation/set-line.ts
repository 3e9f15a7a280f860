/**
 * Which calls of one rule go together, and when.
 *
 * States of a call:  ready ──its set is sent──▶ under way ──▶ settled
 *                      ▲                            └──its row is locked elsewhere──▶ held ──▶ under way, waiting for it
 *                      └── parked: another set has its aggregate; ready when that set has ended
 *
 * An idle line sends what has come in one turn of the event loop at once, so a single call waits for nobody. While as many
 * sets are under way as may be, calls gather for the next.
 */
import type { Tick } from '#base/tick';
import type { MutationOptions } from './options.ts';
import type { Call } from './set-call.ts';

export type LineOptions = Pick<MutationOptions, 'setCallsMax' | 'setBytesMax' | 'setsUnderWayMax'>;

export interface Line {
  add(call: Call): void;
  waiting(): number;
}

/** What has become of a set: the calls that are to go on in a later one. */
export interface SetEnd {
  held: readonly Call[];
  later: readonly Call[];
}

/** Sets that wait for rows locked elsewhere, beside the others. */
const WAITING_SETS_MAX = 1;

export interface LineDeps {
  tick: Tick;
  /** Carries out a set and answers its callers. Does not reject. */
  send: (calls: readonly Call[], isWaiting: boolean) => Promise<SetEnd>;
}

export function createLine(options: LineOptions, { tick, send }: LineDeps): Line {
  let ready: Call[] = [];
  let held: Call[] = [];
  /** Aggregates of the sets that are under way, and of calls that are held, with the calls that wait for them. */
  const parked = new Map<string, Call[]>();
  let parkedCount = 0;
  let underWay = 0;
  let waitingSets = 0;
  let isPlanned = false;

  function leave(call: Call): boolean {
    const { signal } = call.mutation;
    if (signal.aborted) call.reject(signal.reason);
    return signal.aborted;
  }

  /** True if the call has to wait for the end of a set that has its aggregate. */
  function park(call: Call, own: ReadonlySet<string>): boolean {
    const line = call.aggregate !== undefined && !own.has(call.aggregate) && parked.get(call.aggregate);
    if (!line) return false;
    line.push(call);
    parkedCount++;
    return true;
  }

  /** The next set, from the front; calls on one aggregate come together, or one set after the other. */
  function take(): Call[] {
    const calls: Call[] = [];
    const own = new Set<string>();
    let bytes = 0;
    let at = 0;
    for (; at < ready.length && calls.length < options.setCallsMax; at++) {
      const call = ready[at] as Call;
      if (leave(call) || park(call, own)) continue;
      bytes += call.bytes;
      if (calls.length > 0 && bytes > options.setBytesMax) break;
      calls.push(call);
      if (call.aggregate === undefined || own.has(call.aggregate)) continue;
      own.add(call.aggregate);
      parked.set(call.aggregate, []);
    }
    ready = ready.slice(at);
    return calls;
  }

  /** Those that waited for an aggregate are next: they came before whatever is ready. */
  function free(calls: readonly Call[], still: ReadonlySet<string>): void {
    const freed: Call[] = [];
    for (const { aggregate } of calls) {
      if (aggregate === undefined || still.has(aggregate)) continue;
      const line = parked.get(aggregate) ?? [];
      parked.delete(aggregate);
      parkedCount -= line.length;
      freed.push(...line);
    }
    if (freed.length > 0) ready = [...freed, ...ready];
  }

  async function launch(calls: readonly Call[], isWaiting: boolean): Promise<void> {
    const end = await send(calls, isWaiting);
    held.push(...end.held);
    free(calls, aggregatesOf(end.held));
    // Behind the first one of their set, in front of those that came after them.
    ready = [...end.later, ...ready];
    if (isWaiting) waitingSets--;
    else underWay--;
    plan();
  }

  function dispatch(): void {
    isPlanned = false;
    if (held.length > 0 && waitingSets < WAITING_SETS_MAX) {
      const calls = held.filter((call) => !leave(call));
      free(held, aggregatesOf(calls));
      held = [];
      waitingSets++;
      void launch(calls, true);
    }
    while (ready.length > 0 && underWay < options.setsUnderWayMax) {
      const calls = take();
      if (calls.length === 0) continue;
      underWay++;
      void launch(calls, false);
    }
  }

  function plan(): void {
    const hasWork =
      (ready.length > 0 && underWay < options.setsUnderWayMax) || (held.length > 0 && waitingSets === 0);
    if (isPlanned || !hasWork) return;
    isPlanned = true;
    tick(dispatch);
  }

  return {
    add(call) {
      if (park(call, new Set())) return;
      ready.push(call);
      plan();
    },
    waiting: () => ready.length + held.length + parkedCount,
  };
}

function aggregatesOf(calls: readonly Call[]): Set<string> {
  return new Set(calls.flatMap(({ aggregate }) => (aggregate === undefined ? [] : [aggregate])));
}
