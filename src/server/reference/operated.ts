/**
 * A route or a raw route as the reference sees it, and what it says of itself in words.
 */
import {
  type Access,
  type Complete,
  completeShape,
  describeDeprecation,
  type RawShape,
  type RouteShape,
} from '#blocks/system';

export interface Operated {
  tag: string;
  shape: Complete<RouteShape> | Complete<RawShape>;
  access: Access;
  /** Answered by the framework: validated, with a deadline. */
  isFramed: boolean;
  /** Takes an Idempotency-Key. */
  isKeyed: boolean;
  /** Its answer has a version, which the caller's preconditions name. */
  isVersioned: boolean;
}

export function operatedRoute(tag: string, shape: RouteShape): Operated {
  const isKeyed = shape.method === 'POST' && shape.idempotency === 'transaction';
  const isVersioned = shape.precondition === 'version';
  return { tag, shape: completeShape(shape), access: shape.access, isFramed: true, isKeyed, isVersioned };
}

export function operatedRaw(tag: string, shape: RawShape): Operated {
  const { access } = shape;
  return {
    ...{ tag, shape: completeShape(shape), access },
    ...{ isFramed: false, isKeyed: false, isVersioned: false },
  };
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

function describeSession({ shape, access, isFramed }: Operated): string {
  if (shape.method === 'GET' || !isFramed || access === 'public') return '';
  return 'Where there are replicas, the answer has `Loadstone-Session`, as a header and as the cookie `loadstone_session`: with either, reads show what was written.';
}

function describeAccess({ access }: Operated): string {
  return access === 'public' ? 'Anyone may ask, without a key.' : `Needs \`${access}\`, which every key has.`;
}

function describeVersion({ shape, isVersioned }: Operated): string {
  if (!isVersioned) return '';
  return shape.method === 'GET'
    ? 'With `If-None-Match` and the `ETag` that the caller has: 304 without a body, as long as it is that version. With `If-Match`: 412 once it is another.'
    : 'With `If-Match` it is done only to a version with one of those `ETag`s, with `If-None-Match` only to others (412).';
}

/** The description of an operation, in Markdown. */
export function describeOperated(operated: Operated): string {
  const { shape } = operated;
  const kept = `${describeAccess(operated)} Consistency: \`${shape.consistency}\`. ${describePartition(operated)} ${describeRepetition(operated)}`;
  const end = shape.deprecated && describeDeprecation(shape.deprecated);
  return [end, shape.description, describeVersion(operated), kept.trim(), describeSession(operated)]
    .filter(Boolean)
    .join('\n\n');
}
