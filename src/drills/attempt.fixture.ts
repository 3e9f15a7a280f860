import type { Attempt } from './attempt.ts';
import type { DrilledLink, OperationKind, Planned } from './workload.ts';

const ROUTES: Partial<Record<OperationKind, string>> = {
  create: 'createLink',
  createShort: 'createLink',
  change: 'patchLink',
  remove: 'deleteLink',
  read: 'getLink',
  redirect: 'redirect',
};

export function makeLink(own: Partial<DrilledLink> = {}): DrilledLink {
  return {
    key: 'link-1',
    idempotencyKey: 'drill-1-link-1',
    url: 'https://example.com/a',
    ttlS: undefined,
    ids: new Set(['11']),
    code: 'abc',
    etag: '"1"',
    isRemoving: false,
    ...own,
  };
}

export function makePlanned(kind: OperationKind, link: DrilledLink | undefined, value?: string): Planned {
  return { kind, route: ROUTES[kind] ?? kind, link, value };
}

/** One that was answered well. */
export function makeAttempt(own: Partial<Attempt> = {}): Attempt {
  return {
    planned: makePlanned('read', undefined),
    intendedMs: 0,
    sentMs: 0,
    endedMs: 10,
    outcome: 'ok',
    fate: 'answered',
    isFailure: false,
    status: 200,
    code: undefined,
    found: undefined,
    created: undefined,
    isProblem: false,
    retryAfter: undefined,
    ...own,
  };
}
