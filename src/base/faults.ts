/**
 * Named fault points: places where a drill can make a process crash, hang, fail or wait. Rooms declare them where they
 * are; nothing happens there unless the process was started with LOADSTONE_FAULTS, the name of a file that says what is
 * armed and may change while the process runs:
 *
 *   { "points": { "outbox.relay_appended": { "action": "crash", "afterHits": 2, "pid": 4711 } }, "clockStepMs": -3600000 }
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Static } from 'typebox';
import Type from 'typebox';
import { type Clock, sleep, type Timer } from './clock.ts';
import { defineErrors, describeError } from './errors.ts';
import { optionsErrors, parseOptions } from './options.ts';
import type { Runtime } from './runtime.ts';

export const faultErrors = defineErrors('base', {
  fault_injected: {
    status: 503,
    title: 'A drill made this fail',
    retryable: true,
    doc: 'A fault point was armed by a drill. It comes only from processes that were started with LOADSTONE_FAULTS.',
  },
});

const faultSchema = Type.Object(
  {
    /** `hang` lasts until the point is disarmed. */
    action: Type.Union([
      Type.Literal('crash'),
      Type.Literal('hang'),
      Type.Literal('error'),
      Type.Literal('delay'),
    ]),
    /** So many passages are let through first. */
    afterHits: Type.Optional(Type.Integer({ minimum: 0 })),
    /** How often it acts; without it, each time. */
    times: Type.Optional(Type.Integer({ minimum: 1 })),
    delayMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 600_000 })),
    /** The one process that it is for; without it, every one that reads the file. */
    pid: Type.Optional(Type.Integer({ minimum: 1 })),
  },
  { additionalProperties: false },
);

const fileSchema = Type.Object(
  {
    points: Type.Optional(Type.Record(Type.String(), faultSchema)),
    /** Added to the wall clock: the machine's clock was set by so much. */
    clockStepMs: Type.Optional(Type.Integer()),
  },
  { additionalProperties: false },
);

export type FaultFile = Static<typeof fileSchema>;
type Fault = Static<typeof faultSchema>;

/** Awaited where it stands; undefined, and so almost free, unless this process was started for a drill. */
export type FaultPoint = () => Promise<void> | undefined;

interface Armed {
  fault: Fault;
  hits: number;
  /** Aborts when the point is disarmed, or armed in another way. */
  disarmed: AbortController;
}

interface Arming extends Pick<Runtime, 'clock' | 'log'> {
  points: Map<string, Armed>;
  crash: () => void;
}

const catalogue = new Map<string, string>();
/** Of the process, as its environment is: what a crash ends is the process. */
let arming: Arming | undefined;

/**
 * Declares a room's fault points, and gives them.
 * @param points what has been done when a point is passed, and what has not, by its name
 */
export function defineFaults<Name extends string>(
  room: string,
  points: Record<Name, string>,
): Record<Name, FaultPoint> {
  const declared: Partial<Record<Name, FaultPoint>> = {};
  for (const point of Object.keys(points) as Name[]) {
    const name = `${room}.${point}`;
    assert.match(name, /^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$/, `fault point ${name} must be snake_case`);
    assert(!catalogue.has(name), `fault point ${name} is defined twice`);
    catalogue.set(name, points[point]);
    declared[point] = () => (arming === undefined ? undefined : pass(name, arming));
  }
  return declared as Record<Name, FaultPoint>;
}

/** Every declared point, by `room.name`, with its meaning: what drills can arm. */
export function faultCatalogue(): ReadonlyMap<string, string> {
  return catalogue;
}

async function pass(name: string, { clock, log, points, crash }: Arming): Promise<void> {
  const armed = points.get(name);
  if (!armed) return;
  const { action, afterHits = 0, times = Number.POSITIVE_INFINITY, delayMs = 0 } = armed.fault;
  armed.hits += 1;
  if (armed.hits <= afterHits || armed.hits > afterHits + times) return;
  log.warn({ fault: name, action, hit: armed.hits }, 'an armed fault point was passed');
  if (action === 'crash') crash();
  if (action === 'error') throw faultErrors.fault_injected({ detail: `fault point ${name}` });
  const ended = new Promise<void>((resolve) => {
    armed.disarmed.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await (action === 'delay' ? Promise.race([sleep(clock, delayMs), ended]) : ended);
}

export interface FaultsDeps extends Pick<Runtime, 'clock' | 'log'> {
  /** Ends the process at once, as `kill -9` does. */
  crash: () => void;
}

export interface ArmedFaults {
  /** The given clock, its wall time stepped as the file says. */
  readonly clock: Clock;
  /** Disarms everything. */
  disarm(): void;
}

const POLL_MS = 50;

/** @throws option_invalid for what the file says, and what reading it throws */
function readFile(file: string): { text: string; wanted: FaultFile } {
  const text = readFileSync(file, 'utf8');
  const wanted = parseOptions(fileSchema, JSON.parse(text) as object) as FaultFile;
  for (const name of Object.keys(wanted.points ?? {})) {
    if (catalogue.has(name)) continue;
    const known = [...catalogue.keys()].join(', ');
    throw optionsErrors.option_invalid({ detail: `points.${name}: no such fault point; known is ${known}` });
  }
  return { text, wanted };
}

/** Keeps the hits of points that stay armed in the same way. */
function rearm(points: Map<string, Armed>, wanted: FaultFile): void {
  const isMeant = ({ pid = process.pid }: Fault) => pid === process.pid;
  const next = Object.entries(wanted.points ?? {}).filter(([, fault]) => isMeant(fault));
  for (const [name, armed] of points) {
    const kept = next.find(([other]) => other === name)?.[1];
    if (kept !== undefined && JSON.stringify(kept) === JSON.stringify(armed.fault)) continue;
    armed.disarmed.abort();
    points.delete(name);
  }
  for (const [name, fault] of next) {
    if (!points.has(name)) points.set(name, { fault, hits: 0, disarmed: new AbortController() });
  }
}

/**
 * Arms what `file` says, now and whenever it changes. Once in a process, before anything is made that has points.
 * @throws for a file that cannot be read or understood; later such contents are logged and leave everything as it was
 */
export function armFaults(file: string, deps: FaultsDeps): ArmedFaults {
  assert(arming === undefined, 'faults are armed once in a process');
  const { clock, log } = deps;
  const points = new Map<string, Armed>();
  let { text: seen, wanted } = readFile(file);
  let timer: Timer | undefined;
  let told = '';

  function look(): void {
    timer = clock.after(POLL_MS, look, 'background');
    try {
      if (readFileSync(file, 'utf8') === seen) return;
      ({ text: seen, wanted } = readFile(file));
      rearm(points, wanted);
      told = '';
    } catch (error) {
      const reason = describeError(error);
      if (reason !== told) log.error({ faults: file, reason }, 'the faults stay as they were');
      told = reason;
    }
  }

  rearm(points, wanted);
  arming = { ...deps, points };
  timer = clock.after(POLL_MS, look, 'background');
  return {
    clock: { ...clock, nowMs: () => clock.nowMs() + (wanted.clockStepMs ?? 0) },
    disarm() {
      timer?.cancel();
      rearm(points, {});
      arming = undefined;
    },
  };
}
