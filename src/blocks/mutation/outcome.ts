/**
 * What was kept for a request, as it is answered again.
 */
import { type ErrorDetails, LoadstoneError } from '#base/errors';
import type { Outcome } from '#blocks/idempotency';

interface Refusal {
  code: string;
  title: string;
  details: ErrorDetails;
}

/**
 * Marks a refusal. None is kept any more; what an earlier version has kept answers until its retention is over, and no
 * reply has such a body, since replies are what a route's schema allows.
 */
const REFUSED = '$refused';

/** What an answer carries that is given again. */
const REPLAYED = { 'idempotency-replayed': 'true' };

/** With what is to be told again when it is answered again. */
export function withChange(outcome: Outcome, change: unknown): Outcome {
  return change === undefined ? outcome : { ...outcome, change };
}

/** The outcome itself; one that is replayed says so in its headers. @throws the refusal that an earlier version has kept */
export function unfold(outcome: Outcome, isReplayed: boolean): Outcome {
  const marks = isReplayed ? REPLAYED : {};
  const refusal = (outcome.body as { [REFUSED]?: Refusal } | null | undefined)?.[REFUSED];
  if (refusal === undefined) return { ...outcome, headers: { ...outcome.headers, ...marks } };
  const { code, title, details } = refusal;
  const headers = { ...details.headers, ...marks };
  throw new LoadstoneError(code, { status: outcome.status, title, doc: '' }, { ...details, headers });
}
