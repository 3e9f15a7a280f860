export { mutationCosts } from './model.ts';
export {
  createMutations,
  type KeyedRequest,
  type Mutation,
  type MutationResult,
  type Mutations,
  type MutationsDeps,
  type MutationTx,
} from './mutation.ts';
export { type MutationOptions, mutationOptions } from './options.ts';
export { done, held, refuse, type SetCall, type SetRule, type SetTx, type Verdict } from './set-rule.ts';
export type { Settled, Settling } from './settled.ts';
