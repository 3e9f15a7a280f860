import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '#base/clock';
import { parseOptions } from '#base/options';
import { completeDefinition, type QueueDefinition } from '../definition.ts';
import { queueOptions } from '../options.ts';
import type { QueueMeasure } from '../store.ts';
import { createAdmission } from './admission.ts';

const options = parseOptions(queueOptions, {});
const define = (over: Partial<QueueDefinition>) =>
  completeDefinition({ name: 'q', waitingMax: 2, ...over }, options);
const never = new AbortController().signal;

function measured(over: Partial<QueueMeasure>): QueueMeasure {
  return {
    queue: 'q',
    waiting: 0,
    scheduled: 0,
    held: 0,
    running: 0,
    dead: 0,
    lowestPriority: undefined,
    oldestMs: undefined,
    workers: 1,
    endedPerS: 0,
    measuredMs: 1,
    ...over,
  };
}

const turns = async () => {
  for (let i = 0; i < 20; i++) await undefined;
};

test('what this process enqueues and ends counts at once; a measurement corrects it', () => {
  const admission = createAdmission(createManualClock());
  const definition = define({});
  admission.admit(definition, 0);
  admission.admit(definition, 0);
  assert.throws(() => admission.admit(definition, 9), { code: 'queue_full', retryAfterS: 5 });
  admission.ended('q', 1);
  admission.admit(definition, 0);
  admission.measured([measured({ waiting: 10, endedPerS: 2 })]);
  assert.throws(() => admission.admit(definition, 0), { code: 'queue_full', retryAfterS: 5 });
  admission.measured([]);
  assert.equal(admission.waiting('q'), 0);
});

test('the time to retry after is how long the workers need, within bounds', () => {
  const admission = createAdmission(createManualClock());
  const retryAfter = (waiting: number, endedPerS: number) => {
    admission.measured([measured({ waiting, endedPerS, measuredMs: waiting + endedPerS })]);
    try {
      admission.admit(define({}), 0);
    } catch (error) {
      return (error as { retryAfterS: number }).retryAfterS;
    }
    return undefined;
  };
  assert.equal(retryAfter(1, 100), undefined);
  assert.equal(retryAfter(2, 100), 1);
  assert.equal(retryAfter(101, 10), 10);
  assert.equal(retryAfter(1_000_000, 10), 60);
});

test('a queue that blocks lets an enqueue wait until there is room', async () => {
  const clock = createManualClock();
  const admission = createAdmission(clock);
  const definition = define({ whenFull: 'block', blockMsMax: 1000 });
  admission.admit(definition, 0);
  admission.admit(definition, 0);
  let isIn = false;
  const waiting = admission.waitForRoom(definition, 1, never).then(() => {
    isIn = true;
  });
  clock.advance(500);
  await turns();
  assert.equal(isIn, false);
  admission.ended('q', 1);
  clock.advance(20);
  await waiting;
  admission.admit(definition, 0);
  const refused = assert.rejects(admission.waitForRoom(definition, 1, never), { code: 'queue_full' });
  clock.advance(1000);
  await refused;
  const given = new AbortController();
  const stopped = assert.rejects(admission.waitForRoom(definition, 1, given.signal), /enough/);
  given.abort(new Error('enough'));
  await stopped;
});

test('a queue that drops takes only what is worth more than its least, and not without end', () => {
  const admission = createAdmission(createManualClock());
  const definition = define({ whenFull: 'drop' });
  admission.measured([measured({ waiting: 2, lowestPriority: 3 })]);
  assert.deepEqual(
    [3, 4, 0, 9].map((priority) => admission.admit(definition, priority)),
    [false, true, false, true],
  );
  assert.equal(admission.admit(definition, 9), false);
  assert.equal(admission.dropped('q'), 3);
  admission.trimmed('q', 2);
  assert.equal(admission.dropped('q'), 5);
  assert.equal(admission.waiting('q'), 2);
});
