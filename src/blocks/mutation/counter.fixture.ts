/**
 * A rule that locks and counts, as messages of a conversation are numbered: each call takes the next number of its counter,
 * up to a limit. Written for many calls and for one.
 */
import assert from 'node:assert/strict';
import Type from 'typebox';
import { defineErrors } from '#base/errors';
import { numbers, type Queryable, type Sql, sql, texts } from '#blocks/database';
import { defineQueue } from '#blocks/queue';
import { defineEvent } from '#blocks/stream';
import type { MutationTx } from './port.ts';
import { done, held, refuse, type SetCall, type SetRule, type Verdict } from './set-rule.ts';

export const counterErrors = defineErrors('counter_fixture', {
  counter_full: { status: 422, title: 'The counter is full', doc: 'A refusal of the rule.' },
  counter_unknown: { status: 404, title: 'No such counter', doc: 'A refusal of the rule.' },
});

const Added = Type.Object({ counter: Type.String(), n: Type.Integer() });
const entryAdded = defineEvent('added', Added, { stream: 'things', key: ({ counter }) => counter });
const mailQueue = defineQueue('mail', Added);

export interface Add {
  counter: string;
  text: string;
  /** The job's unique key, if it makes one. */
  job?: { uniqueKey: string; onDuplicate: 'reject' | 'ignore' | 'replace' };
  /** Throws what is no refusal. */
  isBroken?: boolean;
  /** Makes what does not fit its definition. */
  misfit?: 'event' | 'job';
}

export interface Added {
  counter: string;
  n: number;
}

interface Counter {
  counter: string;
  n: number;
  nMax: number;
}

/** Counters `c0`, `c1`, … */
export async function makeCounters(admin: Queryable, count: number, nMax: number): Promise<void> {
  await admin.run(sql`create table public.counters (workspace_id bigint, counter text, n integer not null,
    n_max integer not null, primary key (workspace_id, counter))`);
  await admin.run(sql`create table public.entries (workspace_id bigint, counter text, n integer, text text not null,
    primary key (workspace_id, counter, n))`);
  await admin.run(sql`grant all on public.counters, public.entries to loadstone_app`);
  await admin.run(sql`insert into public.counters
    select 1, 'c' || i, 0, ${nMax}::integer from generate_series(0, ${count - 1}::integer) as i`);
}

function lockCounters(
  names: readonly string[],
  lock: Sql,
): Sql<Counter & { isThere: boolean; isLocked: boolean }> {
  return sql`
    with asked as (select distinct counter from unnest(${texts(names)}::text[]) as asked (counter)),
    locked as materialized (
      select counter, n, n_max from public.counters
      where workspace_id = 1 and counter in (select counter from asked) order by counter ${lock}
    )
    select asked.counter, locked.n, locked.n_max as "nMax", locked.counter is not null as "isLocked",
      exists (select from public.counters as there where workspace_id = 1 and there.counter = asked.counter) as "isThere"
    from asked left join locked using (counter)`;
}

type Found = Map<string, Counter & { isThere: boolean; isLocked: boolean }>;

function decideOne(
  { input, publish, enqueue }: SetCall<Add>,
  counter: Found extends Map<string, infer C> ? C | undefined : never,
): Verdict<Added> {
  assert(!input.isBroken, 'this call breaks its rule');
  if (!counter?.isThere) return refuse(counterErrors.counter_unknown());
  if (!counter.isLocked) return held;
  if (counter.n >= counter.nMax) return refuse(counterErrors.counter_full());
  counter.n += 1;
  const added = { counter: input.counter, n: counter.n };
  if (input.misfit === 'event') publish(entryAdded.of(undefined as never));
  if (input.misfit === 'job') enqueue(mailQueue.job(undefined as never));
  publish(entryAdded.of(added));
  if (input.job) enqueue(mailQueue.job({ ...added }, input.job));
  return done(added);
}

/** Written for many calls: locked in one statement, decided in memory, written in two that travel with the commit. */
export const countInSet: SetRule<Add, Added, Found> = {
  name: 'test.count',
  aggregate: ({ counter }) => counter,
  async find(tx, calls) {
    const rows = await tx.rows(
      lockCounters(
        calls.map(({ input }) => input.counter),
        tx.lock,
      ),
    );
    return new Map(rows.map((row) => [row.counter, row]));
  },
  async decide(tx, calls, found) {
    const verdicts = calls.map((call) => decideOne(call, found.get(call.input.counter)));
    const entries = verdicts.flatMap((verdict, at) =>
      verdict.kind === 'done' ? [{ ...verdict.value, text: calls[at]?.input.text ?? '' }] : [],
    );
    if (entries.length === 0) return verdicts;
    const counters = [...found.values()].filter(({ isLocked }) => isLocked);
    tx.withCommit(
      tx.run(sql`update public.counters set n = given.n
        from unnest(${texts(counters.map(({ counter }) => counter))}::text[],
          ${numbers(counters.map(({ n }) => n))}::integer[]) as given (counter, n)
        where counters.workspace_id = 1 and counters.counter = given.counter`),
    );
    tx.withCommit(
      tx.run(sql`insert into public.entries select 1, counter, n, text
        from unnest(${texts(entries.map(({ counter }) => counter))}::text[],
          ${numbers(entries.map(({ n }) => n))}::integer[], ${texts(entries.map(({ text }) => text))}::text[])
          as entry (counter, n, text)`),
    );
    return verdicts;
  },
};

/** The same for one call. */
export async function countAlone(tx: MutationTx, input: Add): Promise<Added> {
  const row = await tx.first<{ n: number }>(sql`update public.counters set n = n + 1
    where workspace_id = 1 and counter = ${input.counter} and n < n_max returning n`);
  if (!row) throw counterErrors.counter_full();
  const added = { counter: input.counter, n: row.n };
  await tx.run(sql`insert into public.entries values (1, ${input.counter}, ${row.n}, ${input.text})`);
  tx.publish(entryAdded.of(added));
  if (input.job) tx.enqueue(mailQueue.job({ ...added }, input.job));
  return added;
}
