/**
 * A system for the tests of the commands: what it has to do fails or hangs until a file says otherwise. Its directory,
 * with those files and its migration, is TRIAL_DIRECTORY.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import Type, { type Static } from 'typebox';
import { type Clock, sleep } from '#base/clock';
import { optionsSchema } from '#base/options';
import { sql } from '#blocks/database';
import { defineProjection } from '#blocks/projection';
import { defineQueue, type Job, type NewJob } from '#blocks/queue';
import { defineEvent } from '#blocks/stream';
import { defineRoute, defineSystem, handleQueue, handleRoute } from '#blocks/system';

const MIGRATION = `
create table trial.things (workspace_id bigint not null, bucket smallint not null, thing text primary key);
create table trial.seen (workspace_id bigint not null, bucket smallint not null, thing text primary key);
`;

const directory = process.env.TRIAL_DIRECTORY ?? '';
const migrations = join(directory, 'migrations');
const hasFile = (name: string) => existsSync(join(directory, name));

/** To be called by the test, before anything loads the system. */
export function prepareTrial(parent: string): {
  directory: string;
  allow(what: 'repaired' | 'released'): void;
} {
  const made = join(parent, 'trial');
  mkdirSync(join(made, 'migrations'), { recursive: true });
  writeFileSync(join(made, 'migrations', '0001_things.sql'), MIGRATION);
  return { directory: made, allow: (what) => writeFileSync(join(made, what), '') };
}

const text = Type.Optional(Type.String());
const Body = Type.Object(
  {
    queue: text,
    uniqueKey: text,
    onDuplicate: Type.Optional(Type.Union([Type.Literal('reject'), Type.Literal('replace')])),
    concurrencyKey: text,
    thing: text,
  },
  { additionalProperties: false },
);

const Nothing = Type.Object({});
const once = defineQueue('trial_once', Nothing, { attemptsMax: 1 });
const again = defineQueue('trial_again', Nothing, { backoffBaseMs: 600_000, backoffMaxMs: 600_000 });
const slow = defineQueue('trial_slow', Nothing, { perKey: { concurrency: 1 } });
const queues = [once, again, slow] as const;

function jobOf({ queue: name, thing: _, ...keys }: Static<typeof Body>): NewJob[] {
  return queues.filter((queue) => queue.name === name).map((queue) => queue.job({}, keys));
}

const thingMade = defineEvent('thing.made', Type.Object({ thing: Type.String() }), {
  stream: 'trial',
  key: ({ thing }) => thing,
});

const attempt = defineRoute({
  method: 'POST',
  idempotency: 'transaction',
  path: '/v1/trial',
  id: 'attempt',
  summary: 'Enqueue a job, or make a thing',
  access: 'trial:write',
  body: Body,
  replies: { 201: Type.Object({ jobIds: Type.Array(Type.String()) }) },
});

async function untilReleased(clock: Clock, { signal }: Pick<Job, 'signal'>): Promise<void> {
  while (!hasFile('released')) await sleep(clock, 20, signal);
}

async function untilRepaired(): Promise<{ repaired: true }> {
  if (!hasFile('repaired')) throw new Error('the part\nis broken');
  return { repaired: true };
}

const seen = defineProjection({
  name: 'trial_seen',
  system: 'trial',
  table: 'seen',
  on: [thingMade],
  truth: sql`select workspace_id, bucket, thing from trial.things`,
  async apply(events, tx, table) {
    if (!hasFile('repaired') && events.some(({ key }) => key.startsWith('bad')))
      throw new Error('a bad thing');
    for (const { workspaceId, bucket, key } of events) {
      await tx.run(
        sql`insert into ${table} (workspace_id, bucket, thing) values (${workspaceId}, ${bucket}, ${key})`,
      );
    }
  },
});

export default defineSystem({
  name: 'trial',
  summary: 'Fails until it is repaired.',
  options: optionsSchema({}),
  migrations: pathToFileURL(`${migrations}/`),
  streams: [{ name: 'trial', partitions: 2 }],
  queues,
  projections: [seen],
  create: (_options, { clock }) => ({
    routes: [
      handleRoute(attempt, ({ body }, { principal: { workspaceId }, mutate }) =>
        mutate(
          { shardKey: workspaceId },
          async (tx) => {
            const { thing } = body;
            if (thing !== undefined) {
              await tx.run(sql`insert into trial.things (workspace_id, bucket, thing)
              values (${workspaceId}, ${tx.bucket}, ${thing})`);
              tx.publish(thingMade.of({ thing }));
            }
            return jobOf(body).map((job) => tx.enqueue(job));
          },
          (jobIds) => ({ status: 201, body: { jobIds } }),
        ),
      ),
    ],
    jobs: [
      handleQueue(once, { concurrency: 2, handle: untilRepaired }),
      handleQueue(again, { concurrency: 2, handle: untilRepaired }),
      handleQueue(slow, { concurrency: 4, handle: (job) => untilReleased(clock, job) }),
    ],
  }),
});
