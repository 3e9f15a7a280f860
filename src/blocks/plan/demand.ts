/**
 * What a workload asks for: rates, storage, bandwidth, cache, events and jobs of each system, each with its derivation.
 */
import { databaseLimits, indexBytes, rowBytes } from '#blocks/database';
import { recordBytes } from '#blocks/idempotency';
import { mutationCosts } from '#blocks/mutation';
import { backlogBytes } from '#blocks/outbox';
import { doneJobBytes } from '#blocks/queue';
import { eventBytes } from '#blocks/stream';
import { type Factor, type Figure, product, reckoned, sum } from './capacity/figures.ts';
import type { OperationCost, SystemModel } from './system-model.ts';
import { DAY_S, parseBytes, type Unit, YEAR_DAYS } from './units.ts';
import type { CustomWorkload, Workload } from './workload.ts';

/** What the server keeps for a while by default: `stream`, `outbox`, `idempotency`, `queue` in loadstone.yaml. */
const KEPT = {
  logMs: 604_800_000,
  logBytesMax: 10_737_418_240,
  waitingMax: 100_000,
  answersS: 86_400,
  historyS: 604_800,
} as const;
const EVENT_BYTES_MAX = 262_144;
const FIVE_YEARS = 5;
/** The primary key of a table of a team's own: workspace and id. */
const OWN_KEY_BYTES = 16;

export interface OperationDemand {
  /** The name of its system. */
  system: string;
  name: string;
  cost: OperationCost;
  perUserPerDay: number;
  /** Share of its reads that a cache answers, 0 to 1. */
  hitShare: number;
  averagePerS: number;
  /** In the busiest second, at the horizon. */
  peakPerS: number;
}

/** What decides the topology, at the horizon. */
export interface SystemLoad {
  name: string;
  operations: readonly OperationDemand[];
  /** Rows with their indexes, the log, kept answers and finished jobs: one copy. */
  databaseBytes: number;
  /** The hot set of what each process keeps itself. */
  hotBytesInProcess: number;
  hotEntriesInProcess: number;
  eventsPerS: number;
  jobsPerS: number;
  bytesInPerS: number;
  bytesOutPerS: number;
}

export interface SystemDemand {
  name: string;
  figures: readonly Figure[];
  load: SystemLoad;
}

interface Given {
  name: string;
  hotPercent: number;
  retentionDays: number | undefined;
  operations: readonly Omit<OperationDemand, 'system' | 'averagePerS' | 'peakPerS'>[];
}

const NO_COST = {
  isHot: false,
  consistency: 'strong',
  rowBytes: 0,
  rowBytesStored: 0,
  objectBytes: 0,
  answerBytesKept: 0,
  events: 0,
  eventBytes: 0,
  jobs: 0,
  cacheEntryBytes: 0,
  isCachedInProcess: false,
} as const;

function customOperations({ read, write, ...whole }: CustomWorkload): Given['operations'] {
  const { actionsPerUserPerDay, readsPerWrite } = whole;
  const writes = readsPerWrite === undefined ? 0 : 1 / (readsPerWrite + 1);
  const [reads, writing] =
    actionsPerUserPerDay === undefined
      ? [read.perUserPerDay ?? 0, write.perUserPerDay ?? 0]
      : [actionsPerUserPerDay * (1 - writes), actionsPerUserPerDay * writes];
  const bytes = parseBytes(write.rowBytes);
  const answer = parseBytes(read.responseBytes);
  const readCost: OperationCost = {
    ...NO_COST,
    kind: 'read',
    consistency: read.consistency,
    requestBytes: parseBytes(read.requestBytes),
    responseBytes: answer,
    cacheEntryBytes: read.cacheHitPercent > 0 ? answer : 0,
  };
  const writeCost: OperationCost = {
    ...NO_COST,
    kind: 'write',
    requestBytes: parseBytes(write.requestBytes) + parseBytes(write.objectBytes),
    responseBytes: parseBytes(write.responseBytes),
    rowBytes: bytes,
    rowBytesStored:
      bytes === 0 ? 0 : Math.ceil(rowBytes(OWN_KEY_BYTES, bytes) + indexBytes(OWN_KEY_BYTES, true)),
    objectBytes: parseBytes(write.objectBytes),
    answerBytesKept: parseBytes(write.responseBytes),
    events: write.events,
    eventBytes: Math.min(EVENT_BYTES_MAX, bytes),
    jobs: write.jobs,
  };
  return [
    { name: 'read', cost: readCost, perUserPerDay: reads, hitShare: read.cacheHitPercent / 100 },
    { name: 'write', cost: writeCost, perUserPerDay: writing, hitShare: 0 },
  ].filter(({ perUserPerDay }) => perUserPerDay > 0);
}

function givenSystems(workload: Workload, models: readonly SystemModel[]): Given[] {
  const known = Object.entries(workload.systems).map(([name, { hotPercent, retentionDays, operations }]) => {
    const model = models.find((each) => each.name === name);
    const asked = Object.entries(operations).flatMap(
      ([operation, { perUserPerDay, payloadBytes, cacheHitPercent }]) => {
        const costOf = model?.operations[operation];
        if (costOf === undefined) return [];
        const cost = costOf(payloadBytes === undefined ? undefined : parseBytes(payloadBytes));
        return [{ name: operation, cost, perUserPerDay, hitShare: cacheHitPercent / 100 }];
      },
    );
    return { name, hotPercent, retentionDays, operations: asked };
  });
  const own = Object.entries(workload.custom).map(([name, custom]) => ({
    name,
    hotPercent: custom.hotPercent,
    retentionDays: custom.retentionDays,
    operations: customOperations(custom),
  }));
  return [...known, ...own];
}

/** The sum of figures of several operations, which are shown too; of one operation, its own. */
function total(name: string, unit: Unit, parts: readonly Figure[]): Figure[] {
  if (parts.length === 0) return [];
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return [{ ...only, name }];
  return [
    ...parts,
    sum(
      name,
      unit,
      parts.map(({ value }) => value),
    ),
  ];
}

const last = (figures: readonly Figure[]): number => figures.at(-1)?.value ?? 0;

/** How many times more users there are after `years`. */
function growth({ users }: Workload, years: number): number {
  return (1 + users.growthPercentPerYear / 100) ** years;
}

/** Days of today's rate that are kept after `years`: those of its retention, grown as the users have. */
function daysKept(workload: Workload, years: number, retentionDays: number | undefined): number {
  const days = years * YEAR_DAYS;
  const from = retentionDays === undefined ? 0 : Math.max(0, days - retentionDays);
  const perYear = growth(workload, 1);
  if (perYear === 1) return days - from;
  // The integral of a growth that goes on all the time.
  const at = (day: number) => perYear ** (day / YEAR_DAYS);
  return ((at(days) - at(from)) / Math.log(perYear)) * YEAR_DAYS;
}

function rateFigures(workload: Workload, operations: Given['operations']): Figure[] {
  const { users, peakFactor } = workload;
  const grown = growth(workload, workload.horizonYears);
  const toPeak: Factor[] = grown === 1 ? [peakFactor] : [peakFactor, grown];
  const averageOf = (kind: 'read' | 'write') =>
    operations
      .filter(({ cost }) => cost.kind === kind)
      .map(({ name, perUserPerDay }) =>
        product(`${name}, average`, '/s', users.daily, perUserPerDay, { over: DAY_S }),
      );
  const figures: Figure[] = [];
  const averages: number[] = [];
  for (const kind of ['read', 'write'] as const) {
    const parts = averageOf(kind);
    if (parts.length === 0) continue;
    const averaged = total(`${kind}s, average`, '/s', parts);
    averages.push(last(averaged));
    figures.push(...averaged, product(`${kind}s, peak`, '/s', last(averaged), ...toPeak));
  }
  if (averages.length > 1) {
    const all = sum('actions, average', '/s', averages);
    figures.push(all, product('actions, peak', '/s', all.value, ...toPeak));
  }
  return figures;
}

/** Of what each write leaves: a day, a year, five years. */
function storageFigures(
  workload: Workload,
  { operations, retentionDays }: Given,
  { what, bytesOf }: { what: string; bytesOf: (cost: OperationCost) => number },
): Figure[] {
  const parts = operations
    .filter(({ cost }) => bytesOf(cost) > 0)
    .map(({ name, cost, perUserPerDay }) =>
      product(`${what} of ${name}, a day`, 'B/day', workload.users.daily, perUserPerDay, bytesOf(cost)),
    );
  if (parts.length === 0) return [];
  const daily = total(`${what}, a day`, 'B/day', parts);
  const kept = (name: string, years: number) =>
    product(name, 'B', last(daily), daysKept(workload, years, retentionDays));
  return [...daily, kept(`${what}, after a year`, 1), kept(`${what}, after five years`, FIVE_YEARS)];
}

function weigh(operations: readonly OperationDemand[], of: (cost: OperationCost) => number): number {
  return operations.reduce((all, { peakPerS, cost }) => all + peakPerS * of(cost), 0);
}

/** What the log, kept answers and finished jobs take: they go after a while, so it stops growing. */
function standingFigures(workload: Workload, operations: Given['operations']): Figure[] {
  const perS = (of: (cost: OperationCost) => number) =>
    operations.reduce((all, { perUserPerDay, cost }) => all + perUserPerDay * of(cost), 0) *
    ((workload.users.daily * growth(workload, workload.horizonYears)) / DAY_S);
  const figures: Figure[] = [];
  const events = perS(({ events }) => events);
  if (events > 0) {
    const payload = perS(({ events: each, eventBytes: bytes }) => each * bytes) / events;
    const seconds = KEPT.logMs / 1000;
    const whole = product('log of events, 7 days', 'B', events, seconds, Math.ceil(eventBytes(payload)));
    const cut = `at most stream.bytesMax, of ${whole.how}`;
    const isCut = whole.value > KEPT.logBytesMax;
    const waiting = Math.ceil(backlogBytes(1, payload));
    figures.push(product('outbox, as full as it may be', 'B', KEPT.waitingMax, waiting));
    figures.push(isCut ? reckoned('log of events, less than 7 days', 'B', KEPT.logBytesMax, cut) : whole);
  }
  const answers = perS(({ answerBytesKept: kept }) => (kept > 0 ? 1 : 0));
  if (answers > 0) {
    const bytes =
      perS(({ answerBytesKept: kept }) => (kept > 0 ? Math.ceil(recordBytes(kept)) : 0)) / answers;
    figures.push(product('kept answers, a day of them', 'B', answers, KEPT.answersS, bytes));
  }
  const jobs = perS(({ jobs }) => jobs);
  if (jobs > 0)
    figures.push(product('finished jobs, 7 days', 'B', jobs, KEPT.historyS, Math.ceil(doneJobBytes)));
  return figures;
}

/** The 80/20 rule: so much of what a day reads, at most of what there is. */
function cacheFigures(
  workload: Workload,
  { operations, hotPercent, retentionDays }: Given,
): { figure: Figure; cost: OperationCost }[] {
  const grown = workload.users.daily * growth(workload, workload.horizonYears);
  const perDay = operations
    .filter(({ cost }) => cost.rowBytes + cost.objectBytes > 0)
    .reduce((all, { perUserPerDay }) => all + perUserPerDay * workload.users.daily, 0);
  const items = perDay * Math.max(1, daysKept(workload, workload.horizonYears, retentionDays));
  return operations
    .filter(({ cost, hitShare }) => cost.cacheEntryBytes > 0 && hitShare > 0)
    .map(({ name, cost, perUserPerDay }) => {
      const reads = grown * perUserPerDay;
      const hot = hotPercent / 100;
      const title = `cache of ${name}, the hot ${hotPercent} %`;
      const figure =
        items > 0 && items < reads
          ? product(title, 'B', items, hot, cost.cacheEntryBytes)
          : product(title, 'B', grown, perUserPerDay, hot, cost.cacheEntryBytes);
      return { figure, cost };
    });
}

/** In the log of changes: the row once, its events twice, in outbox and log. */
function changeBytes({ kind, rowBytes: row, events, eventBytes: event }: OperationCost): number {
  return kind === 'read' ? 0 : mutationCosts.walBytes + row + 2 * events * event;
}

function trafficFigures(operations: readonly OperationDemand[]): Figure[] {
  const flow = (name: string, unit: Unit, of: (cost: OperationCost) => number) =>
    total(
      name,
      unit,
      operations
        .filter(({ cost }) => of(cost) > 0)
        .map((each) => product(`${name}: ${each.name}`, unit, each.peakPerS, of(each.cost))),
    );
  return [
    ...flow('bandwidth in, peak', 'B/s', ({ requestBytes }) => requestBytes),
    ...flow('bandwidth out, peak', 'B/s', ({ responseBytes }) => responseBytes),
    ...flow('changes to each standby and replica, peak', 'B/s', changeBytes),
    ...flow('events, peak', '/s', ({ events }) => events),
    ...flow('jobs, peak', '/s', ({ jobs }) => jobs),
  ];
}

function latencyFigures({ latency }: Workload, operations: readonly OperationDemand[]): Figure[] {
  return operations
    .filter(({ cost, hitShare }) => cost.kind === 'read' && hitShare > 0)
    .map(({ name, hitShare }) => mixLatency(`latency of ${name}, mean`, hitShare, latency));
}

/** The mean of hits and misses: 90 % of 0.25 ms and 10 % of 10 ms are 1.225 ms. */
export function mixLatency(
  name: string,
  hitShare: number,
  latency: { hitMs: number; missMs: number },
): Figure {
  // In whole billionths, so that 1 − 0.9 is not 0.0999…98.
  const missShare = Math.round((1 - hitShare) * 1e9) / 1e9;
  const mean = Number((hitShare * latency.hitMs + missShare * latency.missMs).toPrecision(12));
  const text = `${hitShare} × ${latency.hitMs} + ${missShare} × ${latency.missMs}`;
  return reckoned(name, 'ms', mean, text);
}

function demandOf(workload: Workload, given: Given): SystemDemand {
  const rates = rateFigures(workload, given.operations);
  const toPeak = workload.peakFactor * growth(workload, workload.horizonYears);
  const operations = given.operations.map((operation): OperationDemand => {
    const averagePerS = (workload.users.daily * operation.perUserPerDay) / DAY_S;
    return { ...operation, system: given.name, averagePerS, peakPerS: averagePerS * toPeak };
  });
  const objects = storageFigures(workload, given, { what: 'objects', bytesOf: (cost) => cost.objectBytes });
  const raw = storageFigures(workload, given, { what: 'rows as such', bytesOf: (cost) => cost.rowBytes });
  const stored = storageFigures(workload, given, {
    what: 'rows with indexes',
    bytesOf: (cost) => cost.rowBytesStored,
  });
  const standing = standingFigures(workload, given.operations);
  const days = daysKept(workload, workload.horizonYears, given.retentionDays);
  const rowsPerDay = given.operations.reduce(
    (all, each) => all + each.perUserPerDay * each.cost.rowBytesStored,
    0,
  );
  const rows = product('rows at the horizon', 'B', workload.users.daily, rowsPerDay, days);
  const parts = [rows, ...standing].map(({ value }) => value);
  const copy = sum('one copy of the database at the horizon', 'B', [...parts, databaseLimits.walBytesKept]);
  const caches = cacheFigures(workload, given);
  const traffic = trafficFigures(operations);
  const keptInProcess = caches.filter(({ cost }) => cost.isCachedInProcess);
  return {
    name: given.name,
    figures: [
      ...rates,
      ...objects,
      ...raw,
      ...stored,
      ...standing,
      rows,
      copy,
      ...caches.map(({ figure }) => figure),
      ...traffic,
      ...latencyFigures(workload, operations),
    ],
    load: {
      name: given.name,
      operations,
      databaseBytes: copy.value - databaseLimits.walBytesKept,
      hotBytesInProcess: keptInProcess.reduce((all, { figure }) => all + figure.value, 0),
      hotEntriesInProcess: keptInProcess.reduce(
        (all, { figure, cost }) => all + figure.value / cost.cacheEntryBytes,
        0,
      ),
      eventsPerS: weigh(operations, ({ events }) => events),
      jobsPerS: weigh(operations, ({ jobs }) => jobs),
      bytesInPerS: weigh(operations, ({ requestBytes }) => requestBytes),
      bytesOutPerS: weigh(operations, ({ responseBytes }) => responseBytes),
    },
  };
}

/** @param models of the systems that the workload names under `systems` */
export function demandsOf(workload: Workload, models: readonly SystemModel[]): SystemDemand[] {
  return givenSystems(workload, models).map((given) => demandOf(workload, given));
}
