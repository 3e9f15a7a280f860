/**
 * What links tells drills: links are made, changed, read, followed, counted and deleted.
 */
import { parseOptions } from '#base/options';
import type { Random } from '#base/random';
import type { DrillAnswer, DrilledItem, DrillGet, DrillOperation, Learnt, SystemDrill } from '#blocks/system';
import { countLinks, createLink, deleteLink, getLink, listLinks, patchLink, redirectShape } from './api.ts';
import { LINKS_STREAM, linkChanged, linkCreated, linkDeleted, linkExpired } from './events.ts';
import { linksOptions } from './options.ts';
import { expiryQueue } from './queues.ts';

const PAGE = 100;
const SHORT_TTL_S = { min: 1, span: 2 };
/** Small, so that stale redirects are seen. */
const CACHE_TTL_MS = 500;

const pathOf = ({ id }: Pick<DrilledItem, 'id'>) => `${listLinks.path}/${id}`;
const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
const etagOf = ({ headers: { etag } }: DrillAnswer) => (etag === undefined ? {} : { etag });

/** A link that expires says with its expiry what time it was at the server. */
function serverMsOf({ expiresAt }: DrillAnswer['body'], { ttlS }: DrilledItem['remembered']) {
  const expiry = text(expiresAt);
  return expiry === undefined || ttlS === undefined ? undefined : Date.parse(expiry) - Number(ttlS) * 1000;
}

function learnCreation(answer: DrillAnswer, { remembered }: DrilledItem): Learnt {
  const { id, code } = answer.body;
  return {
    id: text(id) ?? '',
    serverMs: serverMsOf(answer.body, remembered),
    remember: { code: text(code) ?? '', ...etagOf(answer) },
  };
}

const create: DrillOperation = {
  ...{ route: createLink, effect: 'create', weight: 20 },
  request: (_, url) => ({ method: 'POST', path: createLink.path, body: { url } }),
  learn: learnCreation,
};

/** With an expiry after a second or two: its job runs, and marks the link once. */
const createShort: DrillOperation = {
  ...{ route: createLink, effect: 'create', weight: 5, isBrief: true, job: expiryQueue.name },
  request(_, url, random: Random) {
    const ttl = SHORT_TTL_S.min + Math.floor(random.fraction() * SHORT_TTL_S.span);
    return { method: 'POST', path: createLink.path, body: { url, ttl }, remember: { ttlS: String(ttl) } };
  },
  learn: learnCreation,
};

const change: DrillOperation = {
  ...{ route: patchLink, effect: 'change', weight: 15 },
  request: (link, url) => ({ method: 'PATCH', path: pathOf(link), body: { url } }),
  learn: (answer) => ({ remember: etagOf(answer) }),
};

/** Under `If-Match`, where an answer has told the ETag. */
const changeIfMatch: DrillOperation = {
  ...{ route: patchLink, effect: 'change', weight: 5 },
  request(link, url) {
    const { etag } = link.remembered;
    const headers = etag === undefined ? {} : { 'if-match': etag };
    return { method: 'PATCH', path: pathOf(link), headers, body: { url } };
  },
  learn: (answer) => ({ remember: etagOf(answer) }),
};

const remove: DrillOperation = {
  ...{ route: deleteLink, effect: 'remove', weight: 3 },
  request: (link) => ({ method: 'DELETE', path: pathOf(link) }),
};

const read: DrillOperation = {
  ...{ route: getLink, effect: 'read', weight: 25 },
  request: (link) => ({ method: 'GET', path: pathOf(link) }),
  learn: (answer) => ({ value: text(answer.body.url), remember: etagOf(answer) }),
};

const follow: DrillOperation = {
  ...{ route: redirectShape(parseOptions(linksOptions, {})), effect: 'read', weight: 25 },
  request: ({ remembered: { code } }) => ({ method: 'GET', path: `/${code}`, isPublic: true }),
  learn: ({ headers }) => ({ value: headers.location }),
};

const count: DrillOperation = {
  ...{ route: countLinks, effect: 'look', weight: 2 },
  request: () => ({ method: 'GET', path: countLinks.path }),
};

interface Page {
  items: { id: string; url: string }[];
  nextCursor: string | null;
}

async function* list(get: DrillGet): AsyncIterable<readonly [string, string]> {
  for (let cursor: string | null = ''; cursor !== null; ) {
    const after = cursor && `&cursor=${encodeURIComponent(cursor)}`;
    const page: Page = await get(`${listLinks.path}?limit=${PAGE}${after}`);
    for (const { id, url } of page.items) yield [id, url];
    cursor = page.nextCursor;
  }
}

export const linksDrill: SystemDrill = {
  operations: { create, createShort, change, changeIfMatch, remove, read, follow, count },
  toValue: (unique) => `https://example.com/${unique}`,
  options: { cacheTtlMs: CACHE_TTL_MS },
  staleMs: ({ cacheTtlMs, staleMsMax }) => ({ well: Number(cacheTtlMs), cut: Number(staleMsMax) }),
  readBack: {
    route: listLinks,
    list,
    one: async (get, id) => (await get<{ url: string }>(pathOf({ id }))).url,
    figures: (get) => get(countLinks.path),
  },
  events: {
    stream: LINKS_STREAM,
    created: linkCreated.name,
    changed: linkChanged.name,
    removed: linkDeleted.name,
    byJob: linkExpired.name,
  },
  invariants({ listed, figures: { live = 0, expired = 0 } }) {
    const isSo = live + expired === listed;
    return [
      {
        claim: 'links are counted as they are listed',
        figures: `${live} live, ${expired} expired`,
        problems: isSo ? [] : [`counted ${live} live and ${expired} expired, listed ${listed}`],
      },
    ];
  },
};
