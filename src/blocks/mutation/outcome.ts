/**
 * What a rule decided, in a form that can be kept and answered again.
 */
import { type ErrorDetails, isLoadstoneError, LoadstoneError } from '#base/errors';
import type { Outcome } from '#blocks/idempotency';

/** Refusals that say nothing about the request itself: the same one may fare better later. */
const NOT_KEPT = new Set([401, 403, 413, 415, 429]);

interface Refusal {
  code: string;
  title: string;
  message: string;
  details: ErrorDetails;
}

/** Marks a kept refusal; no reply has such a body, since replies are what a route's schema allows. */
const REFUSED = '$refused';

/** A rule's own refusal as an outcome; undefined for failures, which are not kept. */
export function keepRefusal(error: unknown): Outcome | undefined {
  if (!isLoadstoneError(error) || error.retryable) return undefined;
  if (error.status < 400 || error.status >= 500 || NOT_KEPT.has(error.status)) return undefined;
  const { code, title, message, errors, headers } = error;
  const details: ErrorDetails = { detail: message, headers, ...(errors ? { errors } : {}) };
  const refusal: Refusal = { code, title, message, details };
  return { status: error.status, headers: {}, body: { [REFUSED]: refusal } };
}

/** What an answer carries that is given again. */
const REPLAYED = { 'idempotency-replayed': 'true' };

/** The outcome itself, or the refusal that it keeps, thrown anew; one that is replayed says so in its headers. */
export function unfold(outcome: Outcome, isReplayed: boolean): Outcome {
  const marks = isReplayed ? REPLAYED : {};
  const refusal = (outcome.body as { [REFUSED]?: Refusal } | null | undefined)?.[REFUSED];
  if (refusal === undefined) return { ...outcome, headers: { ...outcome.headers, ...marks } };
  const { code, title, details } = refusal;
  const headers = { ...details.headers, ...marks };
  throw new LoadstoneError(code, { status: outcome.status, title, doc: '' }, { ...details, headers });
}
