/**
 * What a system costs, as its room tells the planner (`src/systems/<name>/model.ts`).
 */

/** One call of an operation. Sizes are bytes. */
export interface OperationCost {
  kind: 'read' | 'write';
  /** Whether its path is the raw one before the framework, as a redirect's. */
  isHot: boolean;
  /** Of a read: who may answer it. */
  consistency: 'strong' | 'session' | 'eventual';
  /** On the wire, with headers. */
  requestBytes: number;
  responseBytes: number;
  /** What it leaves in the database as such. */
  rowBytes: number;
  /** The same with indexes, page headers and room between rows. */
  rowBytesStored: number;
  objectBytes: number;
  /** The answer that is kept for an Idempotency-Key; 0 for what is not kept. */
  answerBytesKept: number;
  events: number;
  eventBytes: number;
  jobs: number;
  /** What one answer takes in a cache; 0 for what is not cached. */
  cacheEntryBytes: number;
  /** Whether each process keeps such answers itself, without a cache of its own machine. */
  isCachedInProcess: boolean;
}

export interface SystemModel {
  name: string;
  /** @param payloadBytes of the workload, if it says so: the part whose size depends on the use */
  /** Its options in loadstone.yaml, where so many answers are to be kept by each process; empty where the defaults do. */
  optionsFor?: (hotEntries: number) => Record<string, unknown>;
  operations: Readonly<Record<string, (payloadBytes?: number) => OperationCost>>;
}
