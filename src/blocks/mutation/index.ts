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
