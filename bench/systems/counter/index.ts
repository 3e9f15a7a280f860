/**
 * A rule that locks an aggregate and counts, as a conversation numbers its messages: for the bench of mutations.
 */
import {
  defineEvent,
  defineRoute,
  defineSystem,
  done,
  handleRoute,
  held,
  numbers,
  optionsSchema,
  type SetRule,
  sql,
  Type,
  texts,
} from 'loadstone';

const closed = { additionalProperties: false } as const;

const addEntry = defineRoute({
  method: 'POST',
  idempotency: 'transaction',
  path: '/v1/counter/:counter',
  id: 'addEntry',
  summary: 'Add an entry with the next number',
  access: 'counter:write',
  params: Type.Object({ counter: Type.String({ maxLength: 100 }) }, closed),
  body: Type.Object({ text: Type.String({ maxLength: 1000 }) }, closed),
  replies: { 201: Type.Object({ counter: Type.String(), n: Type.Integer() }, closed) },
});

const counterAdded = defineEvent(
  'counter.added',
  Type.Object({ n: Type.Integer(), counter: Type.String(), text: Type.String() }),
  { stream: 'counter', key: ({ counter }) => counter },
);

interface Counter {
  n: number;
  isLocked: boolean;
  bucket: number;
}

type Input = { counter: string; text: string };
type Value = { counter: string; n: number };

/** A counter that is not there yet is made with its first entry. */
const count: SetRule<Input, Value, Map<string, Counter>> = {
  name: 'counter.add',
  aggregate: ({ counter }) => counter,
  async find(tx, calls) {
    const buckets = new Map(
      calls.map(({ workspaceId, input, bucket }) => [`${workspaceId} ${input.counter}`, bucket]),
    );
    const keys = [...buckets.keys()].sort();
    const workspaces = numbers(keys.map((key) => key.split(' ', 1)[0] ?? ''));
    const names = texts(keys.map((key) => key.slice(key.indexOf(' ') + 1)));
    const rows = await tx.rows<{ key: string; n: string | null; isThere: boolean }>(sql`
      with asked as (
        select workspace_id, counter from unnest(${workspaces}::bigint[], ${names}::text[]) as asked (workspace_id, counter)
      ), locked as materialized (
        select workspace_id, counter, n from counter.counters as counters
        where (workspace_id, counter) in (select workspace_id, counter from asked) order by workspace_id, counter ${tx.lock}
      )
      select asked.workspace_id || ' ' || asked.counter as key, locked.n,
        locked.n is not null or exists (
          select from counter.counters as there
          where there.workspace_id = asked.workspace_id and there.counter = asked.counter
        ) as "isThere"
      from asked left join locked using (workspace_id, counter)`);
    return new Map(
      rows.map(({ key, n, isThere }) => [
        key,
        { n: Number(n ?? 0), isLocked: n !== null || !isThere, bucket: buckets.get(key) ?? 0 },
      ]),
    );
  },
  async decide(tx, calls, found) {
    const entries: { workspaceId: string; bucket: number; counter: string; n: number; text: string }[] = [];
    const verdicts = calls.map(({ workspaceId, bucket, input, publish }) => {
      const counter = found.get(`${workspaceId} ${input.counter}`);
      if (!counter?.isLocked) return held;
      counter.n += 1;
      entries.push({ workspaceId, bucket, ...input, n: counter.n });
      publish(counterAdded.of({ n: counter.n, ...input }));
      return done({ counter: input.counter, n: counter.n });
    });
    const column = <K extends keyof (typeof entries)[number]>(name: K) => entries.map((entry) => entry[name]);
    const counters = [...found].filter(([, { isLocked }]) => isLocked);
    tx.withCommit(
      tx.run(sql`
        insert into counter.counters as counters (workspace_id, bucket, counter, n)
        select workspace_id, bucket, counter, n from unnest(${numbers(counters.map(([key]) => key.split(' ', 1)[0] ?? ''))}::bigint[],
          ${numbers(counters.map(([, { bucket }]) => bucket))}::smallint[],
          ${texts(counters.map(([key]) => key.slice(key.indexOf(' ') + 1)))}::text[],
          ${numbers(counters.map(([, { n }]) => n))}::bigint[])
          as given (workspace_id, bucket, counter, n)
        on conflict (workspace_id, counter) do update set n = excluded.n`),
    );
    tx.withCommit(
      tx.run(sql`
        insert into counter.entries (workspace_id, bucket, counter, n, text)
        select workspace_id, bucket, counter, n, text from unnest(${numbers(column('workspaceId'))}::bigint[], ${numbers(column('bucket'))}::smallint[],
          ${texts(column('counter'))}::text[], ${numbers(column('n'))}::bigint[], ${texts(column('text'))}::text[])
          as entry (workspace_id, bucket, counter, n, text)`),
    );
    return verdicts;
  },
};

export default defineSystem({
  name: 'counter',
  summary: 'Counters.',
  options: optionsSchema({}),
  migrations: new URL('./migrations/', import.meta.url),
  streams: [{ name: 'counter' }],
  create: () => ({
    routes: [
      handleRoute(addEntry, ({ params: { counter }, body: { text } }, { mutateInSet }) =>
        mutateInSet({ shardKey: counter }, count, { counter, text }, (value) => ({
          status: 201,
          body: value,
        })),
      ),
    ],
  }),
});
