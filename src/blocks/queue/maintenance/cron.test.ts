import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { eventually } from '#base/testing/eventually.fixture';
import { sql } from '#blocks/database';
import { never, PLACEMENT, startTestQueues, type TestQueues } from '../queue.fixture.ts';
import { CATCH_UP_MAX, dueRuns, MISSED_MS, type Schedule } from './cron.ts';
import { parseCronPattern } from './cron-pattern.ts';

const at = (text: string) => Date.parse(text);
const MINUTE_MS = 60_000;
const EVERY_MINUTE = {
  next: (afterMs: number) => (Math.floor(afterMs / MINUTE_MS) + 1) * MINUTE_MS,
  last: (count: number, atMs: number) => {
    const lastMs = Math.floor(atMs / MINUTE_MS) * MINUTE_MS;
    return Array.from({ length: count }, (_, back) => lastMs - (count - 1 - back) * MINUTE_MS);
  },
};

test('patterns are read in their time zone, over changes of the clock', () => {
  const nightly = parseCronPattern('30 2 * * *', 'Europe/Berlin');
  assert.equal(nightly.next(at('2026-01-10T12:00:00Z')), at('2026-01-11T01:30:00Z'));
  assert.equal(nightly.next(at('2026-07-10T12:00:00Z')), at('2026-07-11T00:30:00Z'));
  const runs: string[] = [];
  for (let ms: number | undefined = at('2026-03-27T12:00:00Z'); runs.length < 4 && ms !== undefined; ) {
    ms = nightly.next(ms);
    runs.push(new Date(ms ?? 0).toISOString());
  }
  assert.deepEqual(runs, [
    '2026-03-28T01:30:00.000Z',
    '2026-03-29T01:00:00.000Z',
    '2026-03-30T00:30:00.000Z',
    '2026-03-31T00:30:00.000Z',
  ]);
  assert.equal(parseCronPattern('*/10 * * * * *', 'UTC').next(1), 10_000);
  assert.throws(() => parseCronPattern('61 * * * *', 'UTC'));
  assert.throws(() => parseCronPattern('* * * * *', 'Nowhere/At_all'));
});

test('read backwards, a pattern names the same times', () => {
  const patterns = ['30 2 * * *', '*/20 * * * * *', '0 9 * * 1-5', '15 3 29 2 *'];
  fc.assert(
    fc.property(
      fc.constantFrom(...patterns),
      fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York'),
      fc.integer({ min: at('2026-01-01T00:00:00Z'), max: at('2027-12-31T00:00:00Z') }),
      (text, timezone, fromMs) => {
        const pattern = parseCronPattern(text, timezone);
        const forwards = [];
        for (let ms = pattern.next(fromMs); forwards.length < 3 && ms !== undefined; ms = pattern.next(ms))
          forwards.push(ms);
        assert.deepEqual(pattern.last(3, forwards.at(-1)!), forwards);
      },
    ),
  );
});

test('nothing is due before its time, and each run once', () => {
  const times = fc.array(fc.nat(300_000), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(
      times,
      fc.constantFrom('none' as const, 'last' as const, 'all' as const),
      (steps, catchUp) => {
        let lastMs = 0;
        let nowMs = 0;
        const ran: number[] = [];
        for (const step of steps) {
          nowMs += step;
          const due = dueRuns(EVERY_MINUTE, { lastMs, nowMs, catchUp });
          assert.equal(due === undefined, Math.floor(nowMs / 60_000) === lastMs / 60_000);
          if (!due) continue;
          assert(due.toMs > lastMs && due.toMs <= nowMs);
          const onTime = due.runs.filter((run) => run >= nowMs - MISSED_MS);
          if (catchUp === 'none') assert.deepEqual(due.runs, onTime);
          if (catchUp === 'last') assert.equal(due.runs.length, 1);
          lastMs = due.toMs;
          ran.push(...due.runs);
        }
        assert.deepEqual(
          ran,
          [...new Set(ran)].toSorted((a, b) => a - b),
        );
        if (catchUp === 'all') assert.equal(ran.length, Math.floor(nowMs / 60_000));
      },
    ),
  );
});

test('of many missed runs the last hundred are made up for', () => {
  const due = dueRuns(EVERY_MINUTE, { lastMs: 0, nowMs: 86_400_000, catchUp: 'all' });
  assert.equal(due?.runs.length, CATCH_UP_MAX);
  assert.equal(due?.toMs, 86_400_000);
});

let all: TestQueues;
before(async () => {
  all = await startTestQueues();
});
after(() => all.stop());

function schedule(name: string, over: Partial<Schedule> = {}): Schedule {
  return { ...PLACEMENT, name, queue: name, pattern: '* * * * * *', payload: (runAtMs) => runAtMs, ...over };
}

test('two processes that both believe they lead enqueue each run once', async () => {
  const name = 'twice';
  const queues = [0, 1].map(() => all.make({ definitions: [{ name }], schedules: [schedule(name)] }));
  for (const { queue } of queues) await queue.start(never);
  const ran: number[] = [];
  await queues[0]!.working({ [name]: async ({ payload }) => void ran.push(payload as number) }, () =>
    eventually('two runs', () => ran.length >= 2),
  );
  for (const { queue } of queues) await queue.stop(never);
  for (let i = 1; i < ran.length; i++) assert.equal(ran[i]! - ran[i - 1]!, 1000);
});

test('runs missed while no process led are caught up with once one does', async () => {
  const name = 'missed';
  let leads = false;
  const hourly = schedule(name, { pattern: '0 * * * *' });
  const { queue } = all.make({ definitions: [{ name }], schedules: [hourly], leads: () => leads });
  const lastMs = Math.floor(Date.now() / 3_600_000 - 5) * 3_600_000;
  await all.db.admin.run(sql`
    insert into core.job_schedules (name, pattern, last_ms) values (${name}, ${'0 * * * * UTC'}, ${lastMs})`);
  await queue.start(never);
  leads = true;
  const [job] = await eventually('it is enqueued', async () => {
    const jobs = await queue.inspection.list({ queue: name, limit: 10 });
    return jobs.length > 0 ? jobs : undefined;
  });
  await queue.stop(never);
  assert.equal(job?.state, 'ready');
  const row = await all.db.admin.first<{ last_ms: string }>(sql`
    select last_ms from core.job_schedules where name = ${name}`);
  const movedMs = Number(row?.last_ms) - lastMs;
  assert(movedMs >= 5 * 3_600_000 && movedMs % 3_600_000 === 0, `moved on by ${movedMs} ms`);
});

test('a schedule that fails does not keep others from theirs', async () => {
  const [failing, well] = ['failing', 'well'].map((name) => schedule(name)) as [Schedule, Schedule];
  const fail = () => assert.fail('no payload');
  const { queue } = all.make({
    definitions: [{ name: 'failing' }, { name: 'well' }],
    schedules: [{ ...failing, payload: fail }, well],
  });
  await queue.start(never);
  await eventually('the other one runs', async () => {
    const jobs = await queue.inspection.list({ queue: 'well', limit: 10 });
    return jobs.length >= 1;
  });
  await queue.stop(never);
});
