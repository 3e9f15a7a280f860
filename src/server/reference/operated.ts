/**
 * A route or a raw route as the reference sees it, and what it says of itself in words.
 */
import { describeDeprecation, type RawShape, type RouteShape } from '#blocks/system';

export interface Operated {
  tag: string;
  shape: RouteShape | RawShape;
  access: 'anyone' | 'key';
  /** Answered by the framework: validated, with a deadline. */
  isFramed: boolean;
  /** Takes an Idempotency-Key. */
  isKeyed: boolean;
}

export function operatedRoute(tag: string, shape: RouteShape): Operated {
  const isKeyed = shape.method === 'POST' && shape.idempotency === 'transaction';
  return { tag, shape, access: 'key', isFramed: true, isKeyed };
}

export function operatedRaw(tag: string, shape: RawShape): Operated {
  return { tag, shape, access: shape.access, isFramed: false, isKeyed: false };
}

/** What a repetition of the request does. */
function describeRepetition({ shape }: Operated): string {
  if (shape.method !== 'POST' || !('idempotency' in shape)) return '';
  const said = {
    transaction: 'It takes an `Idempotency-Key`.',
    natural: 'Repeated, it does the same as once, however often it is sent.',
    none: 'Each repetition happens again.',
  };
  return said[shape.idempotency];
}

function describePartition({ shape: { whenPartitioned } }: Operated): string {
  if (whenPartitioned === 'refuse') return 'Without the database it refuses (503).';
  return `Without the database it may answer with data up to ${whenPartitioned.staleMsMax} ms old.`;
}

function describeSession({ shape, isFramed }: Operated): string {
  if (shape.method === 'GET' || !isFramed) return '';
  return 'Where there are replicas, the answer has `Loadstone-Session`, as a header and as the cookie `loadstone_session`: with either, reads show what was written.';
}

/** The description of an operation, in Markdown. */
export function describeOperated(operated: Operated): string {
  const { shape } = operated;
  const kept = `Consistency: \`${shape.consistency}\`. ${describePartition(operated)} ${describeRepetition(operated)}`;
  const end = shape.deprecated && describeDeprecation(shape.deprecated);
  return [end, shape.description, kept.trim(), describeSession(operated)].filter(Boolean).join('\n\n');
}
