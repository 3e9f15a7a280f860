/**
 * What a plan is made with where nobody has calibrated: one machine's figures, labelled as such. Written from a file of
 * `loadstone calibrate`.
 */
import type { Calibration } from './capacity.ts';

export const defaultCalibration: Calibration = {
  format: 1,
  label:
    'estimated from the benches of version 0.1.0 (redirects, mutations, queue, events) on a 2-core cloud machine that other work was using too; not measured as a whole',
  source: 'estimated',
  measuredAt: '2026-11-22T09:30:00Z',
  version: '0.1.0',
  commit: 'eaac3d8a8c',
  node: 'v24.21.0',
  machine: {
    cpu: 'AMD EPYC',
    cores: 2,
    memoryGib: 24,
    system: 'linux 6.18.44',
  },
  placement: {
    serverCores: 1,
    generatorApart: true,
  },
  knee: {
    p99MsMax: 100,
    answeredShareMin: 0.99,
    seconds: 2,
  },
  routes: {
    redirectHit: {
      points: [],
      scalability: null,
      serverCpuUs: 14.6,
      postgresCpuUs: 0,
      kneePerS: 50000,
      kneeP99Ms: 20,
      serviceMs: 0.1,
      limitedBy: 'server',
    },
    redirectMiss: {
      points: [],
      scalability: null,
      serverCpuUs: 60,
      postgresCpuUs: 40,
      kneePerS: 8000,
      kneeP99Ms: 20,
      serviceMs: 0.5,
      limitedBy: 'server',
    },
    create: {
      points: [],
      scalability: null,
      serverCpuUs: 700,
      postgresCpuUs: 800,
      kneePerS: 600,
      kneeP99Ms: 80,
      serviceMs: 3,
      limitedBy: 'server',
    },
    read: {
      points: [],
      scalability: null,
      serverCpuUs: 120,
      postgresCpuUs: 60,
      kneePerS: 4000,
      kneeP99Ms: 30,
      serviceMs: 0.8,
      limitedBy: 'server',
    },
    list: {
      points: [],
      scalability: null,
      serverCpuUs: 300,
      postgresCpuUs: 120,
      kneePerS: 2000,
      kneeP99Ms: 30,
      serviceMs: 1.2,
      limitedBy: 'server',
    },
  },
  blocks: {
    jobs: {
      points: [],
      scalability: null,
      serverCpuUs: 20,
      postgresCpuUs: 15,
      perS: 30000,
    },
    events: {
      points: [],
      scalability: null,
      serverCpuUs: 20,
      postgresCpuUs: 25,
      perS: 20000,
    },
    pointReads: {
      points: [],
      scalability: null,
      serverCpuUs: 15,
      postgresCpuUs: 20,
      perS: 40000,
    },
    inserts: {
      points: [],
      scalability: null,
      serverCpuUs: 25,
      postgresCpuUs: 50,
      perS: 15000,
    },
  },
};
