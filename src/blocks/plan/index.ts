export {
  type BlockCapacity,
  type BlockName,
  type Calibration,
  parseCalibration,
  ROUTE_NAMES,
  type RouteCapacity,
  type RouteName,
} from './capacity/capacity.ts';
export { type Estimate, fitUsl, peakOf, throughputAt, type UslFit, type UslPoint } from './capacity/usl.ts';
export { type KneePrediction, predictKnee } from './capacity/usl-knee.ts';
export { contradictionsOf } from './contradictions.ts';
export { defaultCalibration } from './default-calibration.ts';
export { planErrors } from './errors.ts';
export { type Plan, type PlanDeps, planFor } from './plan.ts';
export { renderPlan } from './render.ts';
export type { OperationCost, SystemModel } from './system-model.ts';
export { readWorkload, type Workload } from './workload.ts';
