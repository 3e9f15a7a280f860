/**
 * One limit: how often each of many keys may do something. In memory, so each process counts for itself.
 */
import assert from 'node:assert/strict';
import type { Clock } from '#base/clock';
import type { LoadstoneError } from '#base/errors';
import type { Metrics } from '#base/metrics';
import { limiterErrors } from './errors.ts';
import { createGcra, type Decision, type GcraOptions } from './gcra.ts';
import { emitLimiterMetrics } from './metrics.ts';

export interface LimiterOptions extends GcraOptions {
  /** The policy's name in answers: lower-case letters and `-`. */
  name: string;
  /** For people: what there were too many of. */
  what: string;
}

export interface Limiter {
  /** Takes one of the key's budget, if one is left; a refusal takes nothing. */
  take(key: string): Decision;
  /** For what turned out not to count. */
  giveBack(key: string): void;
  /** What whoever is refused is told, with `Retry-After`, `RateLimit` and `RateLimit-Policy`. */
  refusal(decision: Decision): LoadstoneError;
}

export interface LimiterDeps {
  clock: Clock;
  metrics?: Metrics;
}

/** Whole seconds, never too few. */
const seconds = (ms: number) => Math.max(1, Math.ceil(ms / 1000));

/** The fields of draft-ietf-httpapi-ratelimit-headers-10. */
function fieldsOf(
  { name, quota, windowMs }: LimiterOptions,
  { remaining, retryAfterMs, wholeAfterMs }: Decision,
): Record<string, string> {
  const afterMs = retryAfterMs > 0 ? retryAfterMs : wholeAfterMs;
  return {
    'ratelimit-policy': `"${name}";q=${quota};w=${seconds(windowMs)}`,
    ratelimit: `"${name}";r=${remaining};t=${Math.ceil(afterMs / 1000)}`,
  };
}

/** @param options one policy */
export function createLimiter(options: LimiterOptions, { clock, metrics }: LimiterDeps): Limiter {
  assert.match(options.name, /^[a-z]+(-[a-z]+)*$/, 'a policy is named in lower-case letters');
  const gcra = createGcra(options);
  const counts = { allowed: 0, refused: 0 };
  if (metrics) emitLimiterMetrics(metrics, options.name.replaceAll('-', '_'), { counts, gcra });
  return {
    take(key) {
      const decision = gcra.take(key, clock.monotonicMs());
      counts[decision.isAllowed ? 'allowed' : 'refused'] += 1;
      return decision;
    },
    giveBack: (key) => gcra.giveBack(key, clock.monotonicMs()),
    refusal: (decision) =>
      limiterErrors.rate_limited({
        detail: `too many ${options.what}: ${options.quota} at once, and as many again in ${seconds(options.windowMs)} s`,
        retryAfterS: seconds(decision.retryAfterMs),
        headers: fieldsOf(options, decision),
      }),
  };
}
