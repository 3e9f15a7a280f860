/**
 * Workloads and a calibration for tests, which stay as they are when the shipped figures are measured anew.
 */
import fc from 'fast-check';
import type { Calibration, RouteCapacity } from './capacity/capacity.ts';
import { defaultCalibration } from './default-calibration.ts';
import type { OperationCost, SystemModel } from './system-model.ts';
import { readWorkload, type Workload } from './workload.ts';

function route(kneePerS: number, serverCpuUs: number, postgresCpuUs: number): RouteCapacity {
  return { ...defaultCalibration.routes.read, kneePerS, serverCpuUs, postgresCpuUs };
}

const { machine, blocks } = defaultCalibration;

/** Two cores, and one of them for server and Postgres together when it was measured. */
export const calibration: Calibration = {
  ...defaultCalibration,
  machine: { ...machine, cores: 2 },
  placement: { serverCores: 1, generatorApart: true },
  routes: {
    redirectHit: route(50_000, 14.6, 0),
    redirectMiss: route(8000, 60, 40),
    create: route(600, 700, 800),
    read: route(4000, 120, 60),
    list: route(2000, 300, 120),
  },
  blocks: {
    ...blocks,
    events: { ...blocks.events, perS: 20_000 },
    jobs: { ...blocks.jobs, perS: 30_000 },
  },
};

const cost: OperationCost = {
  kind: 'read',
  isHot: true,
  consistency: 'eventual',
  requestBytes: 150,
  responseBytes: 300,
  rowBytes: 0,
  rowBytesStored: 0,
  objectBytes: 0,
  answerBytesKept: 0,
  events: 0,
  eventBytes: 0,
  jobs: 0,
  cacheEntryBytes: 300,
  isCachedInProcess: true,
};

/** A system like links: a read that each process keeps, and a write. */
export const shop: SystemModel = {
  name: 'shop',
  optionsFor: (hotEntries) => (hotEntries > 50_000 ? { cacheEntriesMax: Math.ceil(hotEntries) } : {}),
  operations: {
    look: () => cost,
    buy: (bytes = 100) => ({
      ...cost,
      kind: 'write',
      isHot: false,
      rowBytes: bytes,
      rowBytesStored: 2 * bytes,
      events: 1,
      eventBytes: bytes,
      jobs: 1,
      cacheEntryBytes: 0,
      isCachedInProcess: false,
    }),
  },
};

export const models = [shop];

export const workloadOf = (raw: unknown): Workload => readWorkload(raw, models);

const perDay = fc.constantFrom(0, 0.001, 0.5, 5, 40);
const percent = fc.constantFrom(0, 50, 90, 99);

const own = fc.record({
  read: fc.record({
    perUserPerDay: perDay,
    responseBytes: fc.constantFrom(100, '10 KB'),
    cacheHitPercent: percent,
    consistency: fc.constantFrom('strong', 'session', 'eventual'),
  }),
  write: fc.record({
    perUserPerDay: perDay,
    rowBytes: fc.constantFrom(0, 100, '5 KB'),
    objectBytes: fc.constantFrom(0, '500 KB'),
    jobs: fc.constantFrom(0, 2),
  }),
});

/** Workloads of all sizes, some of which no topology holds. */
export const anyWorkload = fc
  .record({
    users: fc.record({
      daily: fc.constantFrom(1, 1000, 100_000, 1_000_000, 20_000_000, 300_000_000),
      growthPercentPerYear: fc.constantFrom(0, 100),
    }),
    peakFactor: fc.constantFrom(1, 3, 10),
    availability: fc.record({ targetPercent: fc.constantFrom(99, 99.9, 99.999) }),
    latency: fc.constantFrom({}, { targetMeanMs: 2 }),
    custom: fc.oneof(fc.record({ posts: own }), fc.record({ posts: own, orders: own })),
    systems: fc.record({
      shop: fc.record({
        look: fc.record({ perUserPerDay: perDay, cacheHitPercent: percent }),
        buy: fc.record({ perUserPerDay: perDay }),
      }),
    }),
  })
  .map(workloadOf);
