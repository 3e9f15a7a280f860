export {
  type BlockCapacity,
  type BlockName,
  type Calibration,
  parseCalibration,
  ROUTE_NAMES,
  type RouteCapacity,
  type RouteName,
} from './capacity.ts';
export { contradictionsOf } from './contradictions.ts';
export { defaultCalibration } from './default-calibration.ts';
export { planErrors } from './errors.ts';
export { type Plan, type PlanDeps, planFor } from './plan.ts';
export { renderPlan } from './render.ts';
export type { OperationCost, SystemModel } from './system-model.ts';
export { type Estimate, fitUsl, peakOf, throughputAt, type UslFit, type UslPoint } from './usl.ts';
export { type KneePrediction, predictKnee } from './usl-knee.ts';
export { readWorkload, type Workload } from './workload.ts';
