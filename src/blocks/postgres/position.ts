/**
 * How far Postgres's own log had come when a transaction had committed, and whose log that is. The term is the timeline
 * that the primary writes: each promotion begins a new one, and whoever has replayed anything of it has everything that was
 * kept of those before. So positions have one order: by term, then by place in the log.
 */

/** A byte in the log of a Postgres (its LSN). */
export type Lsn = bigint;

export interface CommitPosition {
  term: number;
  lsn: Lsn;
}

/** Behind every place of a term: for a commit of which nobody knows whether it took place, so that only the primary will do. */
const UNSURE_LSN: Lsn = 2n ** 64n - 1n;

const LSN_PATTERN = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i;
const TOKEN_PATTERN = /^([1-9]\d{0,9})\.([0-9a-f]{1,16})$/;

/** As Postgres writes it: `16/B374D848`. */
export function parseLsn(text: string): Lsn {
  const [, high, low] = LSN_PATTERN.exec(text) ?? [];
  if (high === undefined) throw new TypeError(`not a place in the log: ${text}`);
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}

/** A position that nobody knows: no server counts as having reached it. */
export function unsureIn(term: number): CommitPosition {
  return { term, lsn: UNSURE_LSN };
}

/** Whether a server that has come to `at` has everything up to `wanted`, as far as that was kept. */
export function hasReached(at: CommitPosition, wanted: CommitPosition): boolean {
  return at.term > wanted.term || (at.term === wanted.term && at.lsn >= wanted.lsn);
}

/** The position as others carry it about: opaque to them. */
export function formatPosition({ term, lsn }: CommitPosition): string {
  return Buffer.from(`${term}.${lsn.toString(16)}`).toString('base64url');
}

/** Undefined for what `formatPosition` has not made. Who forges one decides only where its own reads go. */
export function parsePosition(token: string): CommitPosition | undefined {
  if (token.length > 40) return undefined;
  const [, term, lsn] = TOKEN_PATTERN.exec(Buffer.from(token, 'base64url').toString('latin1')) ?? [];
  if (lsn === undefined) return undefined;
  const position = { term: Number(term), lsn: BigInt(`0x${lsn}`) };
  return formatPosition(position) === token ? position : undefined;
}

/**
 * The one of several tokens that includes the others; undefined when none is one. Of a term, one of a commit of which
 * nobody knows includes all.
 */
export function latestPosition(tokens: readonly string[]): string | undefined {
  const positions = tokens.flatMap((token) => parsePosition(token) ?? []);
  const latest = positions.reduce<CommitPosition | undefined>(
    (best, each) => (best === undefined || hasReached(each, best) ? each : best),
    undefined,
  );
  return latest && formatPosition(latest);
}

/** Whether `token` is one that this block has given, or could have. */
export function isPosition(token: string): boolean {
  return parsePosition(token) !== undefined;
}
