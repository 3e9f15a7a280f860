/**
 * What a route can do: alone, at several concurrencies, and up to which rate it answers in time.
 */
import { isLoadstoneError } from '#base/errors';
import {
  findKnee,
  GENERATOR_SHARE_MAX,
  judgeRate,
  type KneeRule,
  type LoadRequest,
  type LoadSummary,
} from '#blocks/load';
import { type BlockCapacity, fitUsl, type RouteCapacity, type UslPoint } from '#blocks/plan';
import { calibrationErrors } from './errors.ts';
import type { Quiet } from './quiet.ts';
import type { Site } from './site.ts';
import type { Speed } from './speed.ts';

/** 99 of 100 requests answered well within this time. */
export const KNEE_RULE: KneeRule = { withinMs: 100, shareMin: 0.99 };

const KNEE_CONNECTIONS = 64;
const KNEE_PRECISION = 1.06;
const WARM_CONNECTIONS = 16;
/** A request that waits longer is given up, so that a rate that is too high is over soon. */
const KNEE_TIMEOUT_MS = 500;
const POINT_TIMEOUT_MS = 10_000;
const ALONE_PER_S = 100;
/** CPU time is counted from here on: a server that is hardly busy uses more for each request. */
export const BUSY_CONCURRENCY_MIN = 8;
/**
 * So much more than is expected is sent that every connection always has a request. Not far more: where twice the
 * connections do not give twice the throughput, what is sent in vain costs the generator its own (at 2.5, every second
 * point of the redirect fell to half).
 */
const EXCESS = 1.2;
/** Each point is measured so often, turn by turn: the median counts. */
const TURNS = 3;
/** What waits for a connection then, in milliseconds of arrivals. */
const EXCESS_WAITS_MS = 20;

/**
 * Under the law nobody gets more done by more company; but one request at a time finds every process asleep, and pays for
 * waking it. So the law is fitted to the points from the one with the most for each.
 */
export function awake(points: readonly UslPoint[]): readonly UslPoint[] {
  const each = points.map(({ perS, concurrency }) => perS / concurrency);
  return points.slice(each.indexOf(Math.max(...each)));
}

/** Null where the points do not follow the law. */
export function fitOrNull(points: readonly UslPoint[]): BlockCapacity['scalability'] {
  try {
    return fitUsl(awake(points));
  } catch (error) {
    if (isLoadstoneError(error) && error.code.startsWith('usl_')) return null;
    throw error;
  }
}

function goodPerS({ statuses, elapsedMs }: LoadSummary): number {
  const good = [...statuses].reduce((sum, [status, count]) => (status < 400 ? sum + count : sum), 0);
  return (good / elapsedMs) * 1000;
}

interface Measured {
  point: UslPoint;
  answered: number;
}

/** Throughput with so many connections, all always busy. */
async function measurePoint(
  site: Site,
  next: () => LoadRequest,
  {
    connections,
    expectedPerS,
    durationMs,
  }: { connections: number; expectedPerS: number; durationMs: number },
): Promise<Measured> {
  const ratePerS = expectedPerS * EXCESS;
  const pendingMax = connections + Math.ceil((ratePerS * EXCESS_WAITS_MS) / 1000);
  const summary = await site.load(next, {
    ...{ connections, ratePerS, durationMs, pendingMax },
    timeoutMs: POINT_TIMEOUT_MS,
  });
  const perS = goodPerS(summary);
  // By Little's law; a generator that cannot keep all connections busy has fewer requests under way.
  const concurrency = Math.max(1, (perS * summary.service.meanMs) / 1000);
  return { point: { concurrency, perS }, answered: summary.outcomes.answered };
}

/** Medians of one request at a time. */
async function measureAlone(site: Site, next: () => LoadRequest, durationMs: number): Promise<number> {
  const summary = await site.load(next, {
    ...{ connections: 1, ratePerS: ALONE_PER_S, durationMs, pendingMax: ALONE_PER_S },
    timeoutMs: POINT_TIMEOUT_MS,
  });
  return summary.service.atMs(0.5);
}

interface Used {
  answered: number;
  serverMs: number;
  postgresMs: number;
}

interface Measuring {
  pace: Speed;
  aloneMs: number;
  quiet: Quiet;
}

/** Every concurrency once. */
async function measureTurn(
  name: string,
  site: Site,
  { pace, aloneMs, used, quiet }: Measuring & { used: Used },
): Promise<UslPoint[]> {
  const next = site.requestsOf(name);
  const points: UslPoint[] = [];
  let [expectedPerS, last] = [1000 / Math.max(aloneMs, 0.01), 1];
  for (const connections of pace.concurrencies) {
    expectedPerS *= connections / last;
    const durationMs = pace.pointMs / TURNS;
    const asked = { connections, expectedPerS, durationMs };
    const { measured, serverMs, postgresMs } = await quiet.run(name, async () => {
      const before = site.cpu();
      const found = await measurePoint(site, next, asked);
      const after = site.cpu();
      return {
        measured: found,
        serverMs: after.serverMs - before.serverMs,
        postgresMs: after.postgresMs - before.postgresMs,
      };
    });
    if (measured.point.perS <= 0) {
      throw calibrationErrors.calibration_failed({ detail: `${name}: no request was answered well` });
    }
    points.push(measured.point);
    if (connections >= BUSY_CONCURRENCY_MIN) {
      used.answered += measured.answered;
      used.serverMs += serverMs;
      used.postgresMs += postgresMs;
    }
    [expectedPerS, last] = [measured.point.perS, connections];
  }
  return points;
}

async function measurePoints(
  name: string,
  site: Site,
  { pace, aloneMs, quiet }: Measuring,
): Promise<Pick<RouteCapacity, 'points' | 'serverCpuUs' | 'postgresCpuUs'>> {
  const used = { answered: 0, serverMs: 0, postgresMs: 0 };
  const turns: UslPoint[][] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    turns.push(await measureTurn(name, site, { pace, aloneMs, used, quiet }));
  }
  const median = (at: number) => {
    const found = turns.map((points) => points[at] as UslPoint);
    return found.toSorted((a, b) => a.perS - b.perS)[Math.floor(TURNS / 2)] as UslPoint;
  };
  return {
    points: pace.concurrencies.map((_, at) => median(at)),
    serverCpuUs: (used.serverMs * 1000) / used.answered,
    postgresCpuUs: (used.postgresMs * 1000) / used.answered,
  };
}

/** @throws calibration_failed */
export async function measureRoute(
  name: string,
  site: Site,
  { pace, quiet }: Omit<Measuring, 'aloneMs'>,
): Promise<RouteCapacity> {
  const next = site.requestsOf(name);
  const { pointMs: durationMs, trialMs } = pace;
  const first = await measureAlone(site, next, durationMs / 2);
  // Until the code is compiled.
  const warm = { connections: WARM_CONNECTIONS, expectedPerS: 1000 / Math.max(first, 0.01), durationMs };
  await measurePoint(site, next, warm);
  const serviceMs = await quiet.run(name, () => measureAlone(site, next, durationMs / 2));
  const measured = await measurePoints(name, site, { pace, quiet, aloneMs: serviceMs });
  const guessPerS = Math.max(...measured.points.map(({ perS }) => perS));
  const untilMs = site.clock.monotonicMs() + pace.searchMsMax;
  const { held, failed } = await findKnee(
    {
      ...{ ...pace, guessPerS, precision: KNEE_PRECISION },
      isOver: () => site.clock.monotonicMs() > untilMs,
    },
    (ratePerS) =>
      quiet.run(name, async () => {
        const summary = await site.load(next, {
          ...{ connections: KNEE_CONNECTIONS, ratePerS, durationMs: trialMs, timeoutMs: KNEE_TIMEOUT_MS },
          pendingMax: Math.max(1, Math.ceil((ratePerS * KNEE_TIMEOUT_MS) / 1000)),
        });
        return judgeRate(ratePerS, summary, KNEE_RULE);
      }),
  );
  if (!held) {
    throw calibrationErrors.calibration_failed({
      detail: `${name}: no rate was held, not even ${failed?.ratePerS.toFixed(0)} a second; the machine does too much else`,
    });
  }
  return {
    ...measured,
    kneePerS: held.ratePerS,
    kneeP99Ms: held.latencyP99Ms,
    serviceMs,
    limitedBy: (failed ?? held).generatorShare > GENERATOR_SHARE_MAX ? 'generator' : 'server',
    scalability: fitOrNull(measured.points),
  };
}
