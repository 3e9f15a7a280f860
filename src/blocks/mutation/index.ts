export { mutationCosts } from './model.ts';
export { createMutations, type MutationsDeps } from './mutation.ts';
export { type MutationOptions, mutationOptions } from './options.ts';
export type { Mutations, MutationTx } from './port.ts';
export type { KeyedRequest, Mutation, MutationResult } from './request.ts';
export { done, held, refuse, type SetCall, type SetRule, type SetTx, type Verdict } from './set-rule.ts';
export type { Settled, Settling } from './settled.ts';
