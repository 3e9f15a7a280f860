export { loadErrors } from './errors.ts';
export { createHistogram, HISTOGRAM_ERROR_MAX, type Histogram, type LatencyHistogram } from './histogram.ts';
export {
  findKnee,
  GENERATOR_SHARE_MAX,
  judgeRate,
  type Knee,
  type KneeRule,
  type KneeSearch,
  type RateTrial,
} from './knee.ts';
export { createLoad, type Load } from './load.ts';
export type {
  LoadAnswer,
  LoadDeps,
  LoadOptions,
  LoadOutcome,
  LoadRequest,
  LoadSummary,
} from './load-shape.ts';
export { type MachineReport, type MachineWatch, watchMachine } from './machine.ts';
export { encodeRequest, type Origin, parseOrigin } from './request-bytes.ts';
