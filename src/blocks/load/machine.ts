/**
 * What else a machine does while something is measured on it: time that its host gives to others (steal), time that its own
 * other processes take, and how late this process is woken. Linux, by /proc (proc(5)).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Clock, Timer } from '#base/clock';

/** Times since the machine was started, of all its cores together. */
export interface MachineTimes {
  busyMs: number;
  idleMs: number;
  stealMs: number;
}

/** One process: its own time, and that of its children that have ended and been waited for. */
export interface ProcessTimes {
  pid: number;
  parentPid: number;
  ownMs: number;
  endedMs: number;
}

/** One stretch of the watch. Shares are of all cores. */
export interface MachineSample {
  durationMs: number;
  foreignShare: number;
  stealShare: number;
  ownShare: number;
}

/** What a stretch of time was like. */
export interface MachineReport {
  cores: number;
  /** Of the whole time. */
  foreignShare: number;
  stealShare: number;
  ownShare: number;
  /** Of others and of the host together, in the worst stretch of `WORST_SAMPLES` samples. */
  worstShare: number;
  /** By how much this process was woken too late: 99 of 100 times by less than the first. */
  lateP99Ms: number;
  lateMaxMs: number;
}

export interface MachineWatch {
  /** Takes the last sample, and tells of the time since the watch began, or since the report before. */
  report(): MachineReport;
  stop(): void;
}

export interface MachineWatchOptions {
  /** The processes that count as one's own: these, and all below them. Asked at each sample, since they come and go. */
  roots: () => readonly number[];
  /** How often it looks beside the reports; a look takes a few milliseconds. */
  sampleMs?: number;
}

/** USER_HZ is 100 on every architecture that Node runs on. */
const TICK_MS = 10;
const SAMPLE_MS = 500;
/** A neighbour that comes for a moment delays nothing that matters; one that stays for so many samples does. */
const WORST_SAMPLES = 4;
/** More are forgotten, oldest first. */
const SAMPLES_MAX = 10_000;
const DELAY_RESOLUTION_MS = 10;

/** Pure: the first line of /proc/stat. Time for a guest is in that of the user already. */
export function parseMachineTimes(text: string): MachineTimes {
  const fields = (text.split('\n')[0] ?? '').trim().split(/\s+/).slice(1).map(Number);
  const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, softIrq = 0, steal = 0] = fields;
  return {
    busyMs: (user + nice + system + irq + softIrq) * TICK_MS,
    idleMs: (idle + wait) * TICK_MS,
    stealMs: steal * TICK_MS,
  };
}

/** Pure: one /proc/PID/stat; the name in it may hold spaces and parentheses. */
export function parseProcessTimes(text: string): ProcessTimes {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = (first: number) => (Number(fields[first]) + Number(fields[first + 1])) * TICK_MS;
  return {
    pid: Number.parseInt(text, 10),
    parentPid: Number(fields[1]),
    ownMs: ticks(11),
    endedMs: ticks(13),
  };
}

/** Pure: those of `roots`, and all below them. */
export function treesOf(all: readonly ProcessTimes[], roots: readonly number[]): Map<number, ProcessTimes> {
  const children = Map.groupBy(all, ({ parentPid }) => parentPid);
  const found = new Map<number, ProcessTimes>();
  const left = all.filter(({ pid }) => roots.includes(pid));
  for (let next = left.pop(); next; next = left.pop()) {
    if (found.has(next.pid)) continue;
    found.set(next.pid, next);
    left.push(...(children.get(next.pid) ?? []));
  }
  return found;
}

/**
 * Pure: what trees have used from one look to the next. What has ended in between is in the time of the parent that has
 * waited for it, with what it had used by the first look.
 */
export function usedBetween(
  before: ReadonlyMap<number, ProcessTimes>,
  after: ReadonlyMap<number, ProcessTimes>,
): number {
  let usedMs = 0;
  for (const { pid, ownMs, endedMs } of after.values()) {
    const known = before.get(pid);
    usedMs += Math.max(0, ownMs - (known?.ownMs ?? 0));
    const ended = [...before.values()].filter((each) => each.parentPid === pid && !after.has(each.pid));
    const counted = ended.reduce((sum, each) => sum + each.ownMs + each.endedMs, 0);
    // What a process had used of others before it was first seen is not known to be of this time.
    if (known) usedMs += Math.max(0, endedMs - known.endedMs - counted);
  }
  return usedMs;
}

/** Pure. Undefined where no time has passed that the kernel has counted. */
export function sampleOf(
  before: MachineTimes,
  after: MachineTimes,
  ownMs: number,
): Omit<MachineSample, 'durationMs'> | undefined {
  const busyMs = after.busyMs - before.busyMs;
  const stealMs = Math.max(0, after.stealMs - before.stealMs);
  const wholeMs = busyMs + Math.max(0, after.idleMs - before.idleMs) + stealMs;
  if (wholeMs <= 0 || busyMs < 0) return undefined;
  return {
    foreignShare: Math.max(0, busyMs - ownMs) / wholeMs,
    stealShare: stealMs / wholeMs,
    ownShare: Math.min(busyMs, ownMs) / wholeMs,
  };
}

/** Pure: the mean of each share, weighed by time, and the worst stretch. */
export function summarize(
  samples: readonly MachineSample[],
): Pick<MachineReport, 'foreignShare' | 'stealShare' | 'ownShare' | 'worstShare'> {
  const meanOf = (some: readonly MachineSample[], of: (sample: MachineSample) => number) => {
    const durationMs = some.reduce((sum, sample) => sum + sample.durationMs, 0);
    return durationMs === 0
      ? 0
      : some.reduce((sum, each) => sum + of(each) * each.durationMs, 0) / durationMs;
  };
  const others = ({ foreignShare, stealShare }: MachineSample) => foreignShare + stealShare;
  const starts = Math.max(1, samples.length - WORST_SAMPLES + 1);
  const stretches = Array.from({ length: starts }, (_, at) => samples.slice(at, at + WORST_SAMPLES));
  return {
    foreignShare: meanOf(samples, ({ foreignShare }) => foreignShare),
    stealShare: meanOf(samples, ({ stealShare }) => stealShare),
    ownShare: meanOf(samples, ({ ownShare }) => ownShare),
    worstShare: Math.max(...stretches.map((some) => meanOf(some, others))),
  };
}

function tryRead(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // It has ended in between.
    return undefined;
  }
}

function readProcesses(): ProcessTimes[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const text = tryRead(`/proc/${name}/stat`);
      return text === undefined ? [] : [parseProcessTimes(text)];
    });
}

/** Samples until it is stopped. Does not keep the process alive. */
export function watchMachine(
  { roots, sampleMs = SAMPLE_MS }: MachineWatchOptions,
  { clock }: { clock: Clock },
): MachineWatch {
  let samples: MachineSample[] = [];
  const look = () => ({
    atMs: clock.monotonicMs(),
    machine: parseMachineTimes(tryRead('/proc/stat') ?? ''),
    own: treesOf(readProcesses(), [process.pid, ...roots()]),
  });
  let last = look();
  let cores = 0;
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  delay.enable();
  let timer: Timer | undefined;

  function take(): void {
    const now = look();
    const sample = sampleOf(last.machine, now.machine, usedBetween(last.own, now.own));
    if (sample === undefined) return;
    samples.push({ ...sample, durationMs: now.atMs - last.atMs });
    if (samples.length > SAMPLES_MAX) samples.shift();
    last = now;
  }

  function tick(): void {
    take();
    timer = clock.after(sampleMs, tick, 'background');
  }

  timer = clock.after(sampleMs, tick, 'background');
  return {
    report() {
      take();
      cores ||= (tryRead('/proc/stat') ?? '').match(/^cpu\d+ /gm)?.length ?? 1;
      const lateMs = (ns: number) => Math.max(0, ns / 1e6 - DELAY_RESOLUTION_MS);
      const made = {
        cores,
        ...summarize(samples),
        lateP99Ms: delay.count === 0 ? 0 : lateMs(delay.percentile(99)),
        lateMaxMs: delay.count === 0 ? 0 : lateMs(delay.max),
      };
      samples = [];
      delay.reset();
      return made;
    },
    stop() {
      timer?.cancel();
      delay.disable();
    },
  };
}
