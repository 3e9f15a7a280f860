/**
 * From a commit to its effect in a projection, while nothing else happens. Postgres stamps each commit itself
 * (`track_commit_timestamp`), so nothing has to look, and thereby to disturb, while the event is on its way. A stamp is
 * taken as a commit begins to be written; both ends still wait for the disk after theirs, so that the difference is that
 * of the moments at which the two commits are known.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom } from '#base/random';
import type { Client } from './links.ts';
import type { Postgres } from './postgres-usage.ts';

const PAUSE_MS_MIN = 25;
const PAUSE_MS_MAX = 50;
const POLL_MS = 10;
const POLLS_MAX = 500;

/** Of one creation, from its commit on. */
export interface Delay {
  /** To the commit that moved its event to the log. */
  movedMs: number;
  /** To the commit of the projection. */
  visibleMs: number;
}

export interface IdleStage {
  client: Client;
  postgres: Postgres;
  url: string;
  key: string;
}

interface Stamps {
  written: number;
  moved: number | null;
  counted: number | null;
}

const at = (xmin: string) => `extract(epoch from pg_xact_commit_timestamp(${xmin}))::float8 * 1000`;

const STAMPS = `
  select ${at('link.xmin')} as written, ${at('event.xmin')} as moved, ${at('counts.xmin')} as counted
  from links.links as link
  left join core.stream_events as event
    on event.stream_id = (select stream_id from core.streams where name = 'links')
      and event.workspace_id = link.workspace_id and event.key = link.link_id::text
  left join links.counts as counts on counts.workspace_id = link.workspace_id and counts.bucket = link.bucket
  where link.workspace_id = 1 and link.link_id = $1`;

const SUM = 'select coalesce(sum(live), 0)::float8 as live from links.counts';

async function create({ client, url, key }: IdleStage): Promise<string> {
  const body = { url: `https://example.com/idle/${performance.now()}` };
  const answer = await client.call(`${url}/v1/links`, { method: 'POST', key, body });
  if (answer.status !== 201) throw new Error(`creating a link: ${answer.status} ${answer.body}`);
  return (JSON.parse(answer.body) as { id: string }).id;
}

/** Waits until the projection has the link: its row has then been written after the link. */
async function readDelay({ client }: Postgres, linkId: string): Promise<Delay> {
  for (let polls = 0; polls < POLLS_MAX; polls++) {
    const { rows } = await client.query<Stamps>(STAMPS, [linkId]);
    const { written, moved, counted } = rows[0] ?? { written: 0, moved: null, counted: null };
    if (moved !== null && counted !== null && counted > written)
      return { movedMs: moved - written, visibleMs: counted - written };
    await delay(POLL_MS);
  }
  throw new Error(`link ${linkId} did not reach the projection`);
}

/** One creation at a time, with pauses that keep no step with any poll. */
export async function measureIdle(stage: IdleStage, count: number, seed: number): Promise<Delay[]> {
  const random = seededRandom(seed);
  const delays: Delay[] = [];
  for (let i = 0; i < count; i++) {
    const linkId = await create(stage);
    await delay(PAUSE_MS_MIN + random.fraction() * (PAUSE_MS_MAX - PAUSE_MS_MIN));
    delays.push(await readDelay(stage.postgres, linkId));
  }
  return delays;
}

/** As a reader sees it that asks again and again: from the arrival of the 201 until the sum has grown. */
export async function measureSeen(stage: IdleStage, count: number): Promise<number[]> {
  const { client } = stage.postgres;
  const sum = async () => (await client.query<{ live: number }>(SUM)).rows[0]?.live ?? 0;
  const seenMs: number[] = [];
  for (let i = 0; i < count; i++) {
    const before = await sum();
    await create(stage);
    const startedMs = performance.now();
    while ((await sum()) <= before) {
      if (performance.now() - startedMs > POLLS_MAX * POLL_MS) throw new Error('a link was not counted');
    }
    seenMs.push(performance.now() - startedMs);
    await delay(PAUSE_MS_MIN);
  }
  return seenMs;
}
