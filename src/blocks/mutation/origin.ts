/**
 * The step of the trace that a mutation's events and jobs come from. Begun with the first of them; there is none for what
 * makes neither.
 */
import type { Tracer } from '#base/trace';
import type { Placement } from '#blocks/database';

export interface Origin {
  /** What they carry. */
  traceparent(): string;
  end(): void;
}

export function createOrigin(
  tracer: Pick<Tracer, 'begin'>,
  { traceparent, placement }: { traceparent: string | undefined; placement: Placement },
): Origin {
  let step: ReturnType<Tracer['begin']> | undefined;
  return {
    traceparent() {
      step ??= tracer.begin(traceparent, `publish ${placement.system}`, 'producer');
      return step.trace.traceparent;
    },
    end: () => step?.span.end(),
  };
}
