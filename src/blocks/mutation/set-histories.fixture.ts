/**
 * Histories of calls in sets: whatever they mix, they must have what they have one by one in some order in which a call
 * begun after another's answer comes after it.
 *
 * Calls number themselves, so the order is in their answers: on each counter numbers are dense, a call begun after another's
 * answer has a larger one, and rows, events, jobs and kept answers are those of the calls that were done.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { eventually } from '#base/testing/eventually.fixture';
import { sql } from '#blocks/database';
import type { TestDatabase } from '#fixtures/database';
import { type Add, type Added, countAlone, countInSet } from './counter.fixture.ts';
import { mutationOf, type TestGround } from './ground.fixture.ts';
import type { MutationResult } from './request.ts';

/** Of the counters of a history. */
const COUNTERS = 2;

interface Step {
  counter: number;
  kind: 'add' | 'alone' | 'poison' | 'broken' | 'job' | 'replacing' | 'unknown';
  /** Of a few keys, with one of two bodies; undefined for none. */
  key: { key: number; body: number } | undefined;
  /** Waits for the answer to the call so many before; 0 for none. */
  after: number;
}

export const steps = fc.array(
  fc.record({
    counter: fc.nat(COUNTERS - 1),
    kind: fc.oneof(
      { weight: 40, arbitrary: fc.constantFrom('add' as const, 'add' as const, 'alone' as const) },
      // Few: each is found by halving its set.
      fc.constantFrom('poison' as const, 'broken' as const, 'unknown' as const),
      { weight: 12, arbitrary: fc.constantFrom('job' as const, 'replacing' as const) },
    ),
    key: fc.option(fc.record({ key: fc.nat(1), body: fc.nat(1) }), { nil: undefined, freq: 2 }),
    after: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 4 })),
  }),
  { minLength: 1, maxLength: 12 },
);

interface Answered {
  step: Step;
  name: string;
  /** Of all that begins and ends in this history. */
  beganAt: number;
  endedAt: number;
  result: MutationResult | undefined;
  error: { code?: string } | undefined;
}

export interface Histories {
  /** Carries out the calls of histories at once, each on counters of its own, and judges them. */
  run(histories: readonly (readonly Step[])[]): Promise<void>;
}

const reply = (value: Added) => ({ status: 201, headers: {}, body: value });

function inputOf({ counter, kind, key }: Step, name: string): Add {
  const input: Add = {
    counter: kind === 'unknown' ? 'nobody' : `${name}-${counter}`,
    text: `${key?.body ?? kind}`,
  };
  if (kind === 'poison') input.text = 'a\0b';
  if (kind === 'broken') input.isBroken = true;
  if (kind === 'job') input.job = { uniqueKey: `${name}-${counter}`, onDuplicate: 'reject' };
  if (kind === 'replacing') input.job = { uniqueKey: `${name}-${counter}-r`, onDuplicate: 'replace' };
  return input;
}

/** @param nMax where counters are full, so that some calls are refused */
export function createHistories(
  it: TestDatabase,
  ground: TestGround,
  nMax: number,
  prefix: string,
): Histories {
  let count = 0;

  function call(step: Step, name: string): Promise<MutationResult> {
    const input = inputOf(step, name);
    const mutation = mutationOf(step.key && `${name}-${step.key.key}`, { ...input });
    if (step.kind !== 'alone') return ground.mutations.runInSet(mutation, countInSet, input, reply);
    return ground.mutations.run(mutation, (tx) => countAlone(tx, input), reply);
  }

  async function carryOut(history: readonly Step[], name: string): Promise<Answered[]> {
    let time = 0;
    const answers: Promise<Answered>[] = [];
    for (const [at, step] of history.entries()) {
      const begin = async (): Promise<Answered> => {
        if (step.after > 0) await answers[at - step.after];
        const answered: Answered = {
          step,
          name,
          beganAt: time++,
          endedAt: 0,
          result: undefined,
          error: undefined,
        };
        try {
          answered.result = await call(step, name);
        } catch (error) {
          answered.error = error as { code?: string };
        }
        answered.endedAt = time++;
        return answered;
      };
      answers.push(begin());
    }
    return Promise.all(answers);
  }

  return {
    async run(histories) {
      const named = histories.map((history) => ({ history, name: `${prefix}h${count++}` }));
      const counters = named.flatMap(({ name }) =>
        Array.from({ length: COUNTERS }, (_, i) => `${name}-${i}`),
      );
      await it.admin.run(sql`insert into public.counters
        select 1, counter, 0, ${nMax}::integer from unnest(${counters}::text[]) as counter`);
      const answers = await Promise.all(named.map(({ history, name }) => carryOut(history, name)));
      for (const each of answers) judgeRefusals(each);
      await judgeTraces(it, counters, answers.flat(), nMax);
    },
  };
}

const addedBy = ({ result }: Answered) => result?.outcome.body as Added | undefined;
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

interface Traces {
  entries: Map<string, number[]>;
  events: Map<string, number[]>;
  jobs: Map<string, number[]>;
}

/** What the calls have left, by counter (jobs: by unique key). Events reach the log behind the commit. */
async function readTraces(it: TestDatabase, counters: readonly string[], done: number): Promise<Traces> {
  type Row = { key: string; n: number };
  const byKey = (rows: readonly Row[]) =>
    new Map([...Map.groupBy(rows, ({ key }) => key)].map(([key, own]) => [key, own.map(({ n }) => n)]));
  const entries = await it.admin.rows<Row>(sql`
    select counter as key, n from public.entries where workspace_id = 1 and counter = any(${counters}) order by n`);
  const events = await eventually(`${done} events`, async () => {
    const rows = await it.admin.rows<Row>(sql`
      select key, (payload->>'n')::integer as n from core.stream_events
      where stream_id = (select stream_id from core.streams where name = 'things') and workspace_id = 1
        and key = any(${counters}) order by position`);
    return rows.length >= done ? rows : undefined;
  });
  const uniqueKeys = counters.flatMap((counter) => [counter, `${counter}-r`]);
  const jobs = await it.admin.rows<Row>(sql`
    select unique_key as key, (payload::json->>'n')::integer as n from core.jobs
    where workspace_id = 1 and queue = 'mail' and unique_key = any(${uniqueKeys})`);
  return { entries: byKey(entries), events: byKey(events), jobs: byKey(jobs) };
}

async function judgeTraces(
  it: TestDatabase,
  counters: readonly string[],
  all: readonly Answered[],
  nMax: number,
): Promise<void> {
  const first = all.filter(({ result }) => result && !result.isReplayed);
  const traces = await readTraces(it, counters, first.length);
  const byCounter = Map.groupBy(first, (each) => addedBy(each)?.counter);
  for (const counter of counters) judge(counter, byCounter.get(counter) ?? [], traces, nMax);
}

function judge(
  counter: string,
  first: readonly Answered[],
  { entries, events, jobs }: Traces,
  nMax: number,
): void {
  const dense = upTo(first.length);
  const sorted = first.toSorted((a, b) => (addedBy(a)?.n ?? 0) - (addedBy(b)?.n ?? 0));
  assert.deepEqual(
    sorted.map((each) => addedBy(each)?.n),
    dense,
    'numbers are dense, and given once',
  );
  assert(first.length <= nMax);
  for (const [at, one] of sorted.entries()) {
    const isAfter = sorted.slice(at + 1).every((other) => other.endedAt > one.beganAt);
    assert(isAfter, 'a call begun after the answer to another comes after it');
  }
  assert.deepEqual(entries.get(counter) ?? [], dense);
  assert.deepEqual(events.get(counter) ?? [], dense, 'events follow the numbers');
  const rejected = first.filter(({ step }) => step.kind === 'job');
  assert(rejected.length <= 1, 'a twin is refused');
  assert.equal(jobs.get(counter)?.length ?? 0, rejected.length);
  const replaced = first.filter(({ step }) => step.kind === 'replacing').map((each) => addedBy(each)?.n ?? 0);
  const last = replaced.length === 0 ? [] : [Math.max(...replaced)];
  assert.deepEqual(jobs.get(`${counter}-r`) ?? [], last, 'the last replaces those before it');
}

/** What a call may be refused with, and when. */
function judgeRefusals(all: readonly Answered[]): void {
  for (const { step, error } of all) {
    if (!error) {
      assert(!['poison', 'broken', 'unknown'].includes(step.kind), `${step.kind} is carried out`);
      continue;
    }
    if (error.code === 'counter_full') continue;
    if (error.code === 'idempotency_key_reused' || error.code === 'idempotency_in_progress') {
      assert(step.key, 'only a keyed call is refused for its key');
      continue;
    }
    const expected: Partial<Record<Step['kind'], (code: string | undefined) => boolean>> = {
      poison: (code) => code === 'database_failed',
      broken: (code) => code === 'ERR_ASSERTION',
      unknown: (code) => code === 'counter_unknown',
      job: (code) => code === 'job_duplicate',
    };
    assert(expected[step.kind]?.(error.code), `${step.kind} is refused with ${error.code}: ${error}`);
  }
  const byKey = Map.groupBy(
    all.filter(({ step, result }) => step.key && result),
    ({ step }) => step.key?.key,
  );
  for (const answers of byKey.values()) {
    const bodies = new Set(answers.map(({ result }) => JSON.stringify(result?.outcome.body)));
    assert.equal(bodies.size, 1, 'a key has one outcome');
    assert(answers.filter(({ result }) => !result?.isReplayed).length <= 1, 'and it is carried out once');
  }
}
