/**
 * What a mutation costs, as numbers for the planner: medians of a create with Idempotency-Key, event and job, of three rounds
 * on one core for the server and one for Postgres (bench/results/mutations.md, commit dc0ce889ae).
 */

export const mutationCosts = {
  /** Into the log of changes, which every standby and replica gets; longer rows and events add their length. */
  walBytes: 3938,
} as const;
