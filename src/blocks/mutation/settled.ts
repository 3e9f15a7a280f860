/**
 * What has become of a mutation, told once: for whoever keeps something that it has changed, such as a cache.
 *
 * It is told when the fate of the transaction is known, and before the caller is answered: what the caller sees next is not
 * older than the answer. A caller that has gone by then (its deadline has passed) does not keep it from being told.
 *
 * Why an argument of the mutation, and not a function of the transaction that is given to the rule: a repeated request runs no
 * rule, and has to be told of as well, by a process whose first answer was lost. So what has changed is kept with the reply.
 */
import { isLoadstoneError } from '#base/errors';
import type { JsonValue } from '#base/values/json';
import { isDataError } from '#blocks/database';
import type { MutationResult } from './request.ts';

export type Settled<Change> =
  /** Also for a repeated request. Undefined if it was kept by a version that told nothing. */
  | { kind: 'committed'; change: Change | undefined }
  /** Nothing is written. */
  | { kind: 'refused'; error: unknown }
  /** It may be written, or not. Undefined if its rule has not been run for this request. */
  | { kind: 'unknown'; change: Change | undefined; error: unknown };

export interface Settling<Value, Change extends JsonValue = JsonValue> {
  /** What others have to know of the rule's value. It is kept with the reply. */
  changeOf(value: Value): Change;
  /** Must not throw. */
  onSettled(settled: Settled<Change>): void;
}

/** The telling of one mutation. */
export interface Telling {
  /** The rule is run, perhaps not for the first time. */
  begin(): void;
  /** The rule has given a value. @returns what is to be kept of it */
  give(value: unknown): JsonValue | undefined;
  /** Nothing that happens from now on can undo it. */
  committed(change: unknown): void;
  /** Carries out the mutation, and tells what has become of it. */
  of(work: () => Promise<MutationResult>): Promise<MutationResult>;
  failed(error: unknown): void;
}

/** Errors behind which there may be a commit all the same. */
const UNSURE = new Set(['outcome_unknown', 'fault_injected']);

/** Whether a transaction that was about to be committed has ended without that. */
function isUndone(error: unknown): boolean {
  return isLoadstoneError(error) ? !UNSURE.has(error.code) : isDataError(error);
}

const SILENT: Telling = {
  begin() {},
  give: () => undefined,
  committed() {},
  of: (work) => work(),
  failed() {},
};

export function createTelling<Value, Change extends JsonValue>(
  settling: Settling<Value, Change> | undefined,
): Telling {
  if (!settling) return SILENT;
  let given: { change: Change } | undefined;
  let isTold = false;

  function tell(settled: Settled<Change>): void {
    if (isTold) return;
    isTold = true;
    settling?.onSettled(settled);
  }

  function failed(error: unknown): void {
    if (given === undefined || isUndone(error)) tell({ kind: 'refused', error });
    else tell({ kind: 'unknown', change: given.change, error });
  }

  const committed = (change: unknown) => tell({ kind: 'committed', change: change as Change | undefined });

  return {
    begin() {
      given = undefined;
    },
    give(value) {
      given = { change: settling.changeOf(value as Value) };
      return given.change;
    },
    committed,
    async of(work) {
      try {
        const result = await work();
        committed(result.outcome.change);
        return result;
      } catch (error) {
        failed(error);
        throw error;
      }
    },
    failed,
  };
}
