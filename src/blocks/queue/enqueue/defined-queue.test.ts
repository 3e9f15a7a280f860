import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import Type from 'typebox';
import { eventually } from '#base/testing/eventually.fixture';
import { never, PLACEMENT, startTestQueues, type TestQueues } from '../queue.fixture.ts';
import { assertMadeJob, defineQueue, handlerOf, type NewJob } from './defined-queue.ts';

const Mail = Type.Object({ to: Type.String() });
const mail = defineQueue('mail', Mail, { attemptsMax: 3, whenFull: 'reject' });
const Letter = Type.Object({ to: Type.String(), subject: Type.String() });
const letters = defineQueue('mail', Letter, {
  version: 2,
  upgrades: { 1: (old: { to: string }) => ({ ...old, subject: 'none' }) },
});

test('a queue makes its jobs; version 1 is written as it is, a later one with its version', () => {
  const { queue, payload, uniqueKey } = mail.job({ to: 'ada' }, { uniqueKey: 'k' });
  assert.deepEqual({ queue, payload, uniqueKey }, { queue: 'mail', payload: { to: 'ada' }, uniqueKey: 'k' });
  const { payload: versioned } = letters.job({ to: 'ada', subject: 'hi' });
  assert.equal(JSON.stringify(versioned), '{"@version":2,"payload":{"to":"ada","subject":"hi"}}');
  assert.deepEqual([mail.attemptsMax, mail.whenFull, mail.version, letters.version], [3, 'reject', 1, 2]);
});

test('a payload that does not fit is refused, without its values; so is one that would be read as another', () => {
  for (const wrong of [{}, { to: 5 }, 'secret', { to: ['secret'] }])
    assert.throws(
      () => mail.job(wrong as never),
      (error: Error & { code: string }) => {
        assert.equal(error.code, 'job_payload_invalid');
        assert.doesNotMatch(error.message, /secret/);
        return true;
      },
    );
  const sly = { to: 'ada', '@version': 2, payload: { to: 'bob' } };
  assert.throws(() => mail.job(sly), { code: 'job_payload_invalid' });
});

test('a schedule of a queue has its payloads checked, and written in its version', () => {
  const place = { workspaceId: '0', bucket: 0 };
  const nightly = letters.schedule({
    ...{ name: 'nightly', pattern: '0 3 * * *', ...place },
    payload: (runAtMs) => ({ to: 'all', subject: String(runAtMs) }),
  });
  assert.deepEqual([nightly.queue, nightly.catchUp], ['mail', undefined]);
  assert.deepEqual(nightly.payload(7), { '@version': 2, payload: { to: 'all', subject: '7' } });
  const wrong = letters.schedule({
    ...{ name: 'nightly', pattern: '0 3 * * *', ...place },
    // @ts-expect-error: the subject is missing
    payload: () => ({ to: 'all' }),
  });
  assert.throws(() => wrong.payload(7), { code: 'job_payload_invalid' });
});

test('only what a queue has made is a job to enqueue, and handlers have its payload', () => {
  const literal = { queue: 'mail', payload: { to: 'ada' } };
  // @ts-expect-error: not made by its queue
  const job: NewJob = literal;
  assert.throws(() => assertMadeJob(job), /a job of mail is not made by its queue/);
  assertMadeJob(mail.job({ to: 'ada' }));
  // @ts-expect-error: a payload of this queue has no subject
  handlerOf(mail, async ({ payload }) => payload.subject);
  handlerOf(letters, async ({ payload }) => payload.subject.length);
});

describe('stored payloads', () => {
  let all: TestQueues;
  before(async () => {
    all = await startTestQueues();
  });
  after(() => all.stop());

  test('an old one is upgraded; one that does not fit is dead at once, unheard; a newer one is tried again', async () => {
    const options = { backoffBaseMs: 1, backoffMaxMs: 2 };
    const { queue, working } = all.make({ definitions: [letters], options });
    const stored = [
      mail.job({ to: 'old' }),
      letters.job({ to: 'new', subject: 'hi' }),
      { queue: 'mail', payload: { to: 5 } },
      { queue: 'mail', payload: { '@version': 2, payload: { to: 'no subject' } } },
      { queue: 'mail', payload: { '@version': 3, payload: { to: 'x' } }, attemptsMax: 3 },
      { queue: 'mail', payload: { '@version': 'two' }, attemptsMax: 1 },
    ];
    const ids = await queue.enqueueGrouped(PLACEMENT, stored, { signal: never });
    const seen = new Map<string, string>();
    const handler = handlerOf(letters, async ({ payload, attempt, idempotencyToken, signal }) => {
      signal.throwIfAborted();
      seen.set(payload.to, `${payload.subject} ${attempt} ${idempotencyToken.startsWith('job-')}`);
    });
    const looks = await working({ mail: handler }, () =>
      eventually('each has ended', async () => {
        const found = await Promise.all(ids.map((id) => queue.inspection.show(id)));
        return found.every(({ state }) => state === 'done' || state === 'dead') ? found : undefined;
      }),
    );
    assert.deepEqual(
      looks.map(({ state, attempts, lastError }) => [state, attempts, lastError?.split(':')[0]]),
      [
        ['done', 1, undefined],
        ['done', 1, undefined],
        ['dead', 1, 'job_payload_unreadable'],
        ['dead', 1, 'job_payload_unreadable'],
        ['dead', 3, 'job_version_unknown'],
        ['dead', 1, 'job_version_unknown'],
      ],
    );
    assert.deepEqual([...seen].sort(), [
      ['new', 'hi 1 true'],
      ['old', 'none 1 true'],
    ]);
  });
});
