/**
 * What the clients of a drill do: links made, changed, read, followed, counted and deleted, in a mix drawn by seed. A
 * creation whose outcome is not known is sent again under the same Idempotency-Key until it is.
 */
import type { Clock } from '#base/clock';
import type { Random } from '#base/random';
import type { LoadAnswer, LoadRequest } from '#blocks/load';
import { type Attempt, readAttempt } from './attempt.ts';

/** How often each is drawn, in proportion to all of them. */
export interface Mix {
  create: number;
  /** With an expiry after a second or two: its job runs, and marks the link once. */
  createShort: number;
  change: number;
  /** A change under `If-Match`. */
  changeIfMatch: number;
  remove: number;
  read: number;
  redirect: number;
  count: number;
  /** A job in the queue of pressure-system.ts. */
  enqueue: number;
}

export const MIX_DEFAULT: Mix = {
  create: 20,
  createShort: 5,
  change: 15,
  changeIfMatch: 5,
  remove: 3,
  read: 25,
  redirect: 25,
  count: 2,
  enqueue: 0,
};

/** A link that the drill has asked for. */
export interface DrilledLink {
  /** Names its register in the history. */
  key: string;
  idempotencyKey: string;
  url: string;
  /** Undefined for one without an expiry. */
  ttlS: number | undefined;
  /** Every id that an answer has given for the one key; more than one is a fault. */
  ids: Set<string>;
  code: string | undefined;
  etag: string | undefined;
  isRemoving: boolean;
}

export type OperationKind = keyof Mix;

export interface Planned {
  kind: OperationKind;
  /** The route's id in the API, or `redirect`. */
  route: string;
  link: DrilledLink | undefined;
  /** What a write writes; undefined for a deletion. */
  value: string | undefined;
}

export interface Workload {
  /** The request of the next arrival. */
  next(): LoadRequest;
  /** A creation, for the warm-up. */
  create(): LoadRequest;
  /** Takes note of an answer. */
  answered(answer: LoadAnswer): void;
  /** Creations whose outcome no answer has told, to be sent again. */
  takeUnsettled(): LoadRequest[];
  readonly links: readonly DrilledLink[];
  readonly attempts: readonly Attempt[];
}

export interface WorkloadOptions {
  seed: number;
  /** Keeps the keys of this run apart from those of another with the same seed. */
  run: string;
  mix: Mix;
  rootKey: string;
}

/** Links that are read, changed and followed at a time: few enough that operations meet. */
const POPULAR_MAX = 200;
const RETRY_AFTER_MS = 250;
const SHORT_TTL_S = { min: 1, span: 2 };

const ROUTES: Record<OperationKind, string> = {
  create: 'createLink',
  createShort: 'createLink',
  change: 'patchLink',
  changeIfMatch: 'patchLink',
  remove: 'deleteLink',
  read: 'getLink',
  redirect: 'redirect',
  count: 'countLinks',
  enqueue: 'enqueuePressure',
};

/** Pure: the kind that a draw in [0, 1) means. */
export function drawKind(mix: Mix, fraction: number): OperationKind {
  const kinds = Object.entries(mix) as [OperationKind, number][];
  let left = fraction * kinds.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [kind, weight] of kinds) {
    left -= weight;
    if (left < 0) return kind;
  }
  return 'create';
}

export function createWorkload(
  { seed, run, mix, rootKey }: WorkloadOptions,
  { clock, random }: { clock: Clock; random: Random },
): Workload {
  const links: DrilledLink[] = [];
  const attempts: Attempt[] = [];
  const popular: DrilledLink[] = [];
  let unsettled: { request: LoadRequest; dueMs: number }[] = [];
  let writes = 0;
  let arrivals = 0;
  const key = { authorization: `Bearer ${rootKey}` };
  const jsonKey = { ...key, 'content-type': 'application/json' };

  function nextUrl(link: string): string {
    writes += 1;
    return `https://example.com/${seed}/${link}/${writes}`;
  }

  function plan(kind: OperationKind, link?: DrilledLink, value?: string): Planned {
    return { kind, route: ROUTES[kind], link, value };
  }

  function createLink(kind: 'create' | 'createShort'): LoadRequest {
    const name = `link-${links.length + 1}`;
    const ttlS =
      kind === 'create' ? undefined : SHORT_TTL_S.min + Math.floor(random.fraction() * SHORT_TTL_S.span);
    const link: DrilledLink = {
      key: name,
      idempotencyKey: `drill-${run}-${name}`,
      url: nextUrl(name),
      ttlS,
      ids: new Set(),
      code: undefined,
      etag: undefined,
      isRemoving: false,
    };
    links.push(link);
    return {
      method: 'POST',
      path: '/v1/links',
      headers: { ...jsonKey, 'idempotency-key': link.idempotencyKey },
      body: JSON.stringify({ url: link.url, ...(ttlS === undefined ? {} : { ttl: ttlS }) }),
      tag: plan(kind, link, link.url),
    };
  }

  function change(kind: 'change' | 'changeIfMatch', link: DrilledLink): LoadRequest {
    const url = nextUrl(link.key);
    const isConditional = kind === 'changeIfMatch' && link.etag !== undefined;
    return {
      method: 'PATCH',
      path: `/v1/links/${idOf(link)}`,
      headers: isConditional ? { ...jsonKey, 'if-match': link.etag ?? '' } : jsonKey,
      body: JSON.stringify({ url }),
      tag: plan(kind, link, url),
    };
  }

  function requestOf(kind: Exclude<OperationKind, 'create' | 'createShort'>, link: DrilledLink): LoadRequest {
    if (kind === 'change' || kind === 'changeIfMatch') return change(kind, link);
    const tag = plan(kind, link);
    if (kind === 'count') return { method: 'GET', path: '/v1/links/counts', headers: key, tag: plan(kind) };
    if (kind === 'enqueue')
      return { method: 'POST', path: '/v1/pressure', headers: jsonKey, body: '{}', tag: plan(kind) };
    if (kind === 'redirect') return { method: 'GET', path: `/${link.code}`, headers: {}, tag };
    if (kind === 'read') return { method: 'GET', path: `/v1/links/${idOf(link)}`, headers: key, tag };
    link.isRemoving = true;
    popular.splice(popular.indexOf(link), 1);
    return { method: 'DELETE', path: `/v1/links/${idOf(link)}`, headers: key, tag };
  }

  function learn(planned: Planned, { headers = {} }: LoadAnswer, attempt: Attempt): void {
    const { link, kind } = planned;
    if (link === undefined || attempt.outcome !== 'ok') return;
    if (headers.etag !== undefined) link.etag = headers.etag;
    if (attempt.created === undefined) return;
    const isFirst = link.ids.size === 0;
    link.ids.add(attempt.created.id);
    link.code = attempt.created.code;
    if (kind !== 'create' || !isFirst) return;
    popular.push(link);
    if (popular.length > POPULAR_MAX) popular.shift();
  }

  function takeDue(): LoadRequest | undefined {
    const nowMs = clock.monotonicMs();
    const at = unsettled.findIndex(({ dueMs }) => dueMs <= nowMs);
    return at === -1 ? undefined : unsettled.splice(at, 1)[0]?.request;
  }

  return {
    links,
    attempts,
    create: () => createLink('create'),
    next() {
      arrivals += 1;
      // Every other one at most, so that a long outage is not met by repetitions alone.
      const again = arrivals % 2 === 0 ? takeDue() : undefined;
      if (again) return again;
      const kind = drawKind(mix, random.fraction());
      const link = popular[Math.floor(random.fraction() * popular.length)];
      if (kind === 'create' || kind === 'createShort') return createLink(kind);
      return link ? requestOf(kind, link) : createLink('create');
    },
    answered(answer) {
      const planned = answer.request.tag as Planned;
      const attempt = readAttempt(planned, answer);
      attempts.push(attempt);
      learn(planned, answer, attempt);
      const isCreation = planned.route === 'createLink';
      if (!isCreation || (attempt.outcome !== 'unknown' && !attempt.isFailure)) return;
      unsettled.push({ request: answer.request, dueMs: clock.monotonicMs() + RETRY_AFTER_MS });
    },
    takeUnsettled() {
      const taken = unsettled.map(({ request }) => request);
      unsettled = [];
      return taken;
    },
  };
}

function idOf({ ids }: DrilledLink): string {
  return [...ids][0] ?? '';
}
