import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderDrain, waitingToJson } from './drain.ts';

const none = { firstRunAtMs: undefined, lastRunAtMs: undefined, whenDrained: undefined };

test('a drain says what it would discard, until when, and what becomes of it', () => {
  const [firstRunAtMs, lastRunAtMs] = [Date.UTC(2027, 0, 1), Date.UTC(2028, 0, 1)];
  const waiting = {
    ready: 1,
    held: 0,
    scheduled: 1200,
    firstRunAtMs,
    lastRunAtMs,
    whenDrained: 'Nothing is lost.',
  };
  assert.equal(
    renderDrain('links_expiry', waiting),
    `1,201 jobs of the queue links_expiry wait: 1 ready, 1200 scheduled (from 2027-01-01T00:00:00Z to 2028-01-01T00:00:00Z)
Nothing is lost.
Nothing has been discarded; to discard them: loadstone jobs drain links_expiry --yes`,
  );
  assert.deepEqual(waitingToJson(waiting), {
    ready: 1,
    scheduled: 1200,
    held: 0,
    firstRunAt: '2027-01-01T00:00:00.000Z',
    lastRunAt: '2028-01-01T00:00:00.000Z',
  });
  assert.equal(
    renderDrain('q', { ...none, ready: 0, held: 0, scheduled: 1, firstRunAtMs, lastRunAtMs: firstRunAtMs }),
    `1 job of the queue q waits: 1 scheduled (for 2027-01-01T00:00:00Z)
Nothing has been discarded; to discard it: loadstone jobs drain q --yes`,
  );
  assert.match(renderDrain('q', { ...none, ready: 1, held: 2, scheduled: 0 }), /: 1 ready, 2 held\n/);
});
