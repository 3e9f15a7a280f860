import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ListedProcess } from '#blocks/discovery';
import { processToJson } from './ps.ts';
import { processTitle } from './supervisor/process-title.ts';

test('what a lost process said last of itself is no longer so', () => {
  const entry: ListedProcess = {
    ...{ processId: 'vm:1:a', host: 'vm', pid: 1, role: 'all', systems: ['links'], address: undefined },
    ...{ version: '0.1.0', state: 'serving', startedAt: new Date(0), silentMs: 99_000, isLive: false },
  };
  const { state, isLive, address } = processToJson(entry);
  assert.deepEqual([state, isLive, address], ['lost', false, null]);
  assert.equal(processToJson({ ...entry, isLive: true }).state, 'serving');
});

test('a title says what the process does, and for which directory', () => {
  const titles = [
    processTitle({ kind: 'supervisor' }, '/d'),
    processTitle({ kind: 'child', number: 2, count: 4 }, '/d'),
    processTitle({ kind: 'server', role: 'all', isJoined: false }, '/d'),
    processTitle({ kind: 'server', role: 'worker', isJoined: true }, '/d'),
  ];
  assert.deepEqual(titles, [
    'loadstone: supervisor (/d)',
    'loadstone: process 2 of 4 (/d)',
    'loadstone: server (/d)',
    'loadstone: joined worker (/d)',
  ]);
});
