import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Verification } from '#blocks/projection';
import type { ReferenceReport } from '#blocks/references';
import { isFaulty, renderReference, renderVerification } from './verify.ts';

const equal: Verification = {
  name: 'counts',
  rowsCompared: 1200,
  differencesTotal: 0,
  differences: [],
  isSample: false,
  rowsSettled: 0,
  eventsPending: 0,
  parkedKeys: 0,
  refusedTotal: 0,
  refused: [],
};

test('a projection that is equal takes one line', () => {
  assert.equal(renderVerification(equal, 'links'), 'projection counts: equal; 1,200 rows compared');
  assert.equal(
    renderVerification({ ...equal, isSample: true, rowsSettled: 1 }, 'links'),
    'projection counts: equal; 1,200 rows compared (a sample), 1 settled row left out',
  );
});

test('differences are named by their keys, with what should be there', () => {
  const text = renderVerification(
    {
      ...equal,
      differencesTotal: 5,
      differences: [
        { key: { id: '1' }, kind: 'missing', expected: { live: '2', note: null }, actual: undefined },
        { key: { id: '2' }, kind: 'unexpected', expected: undefined, actual: { live: '3', note: 'a\nb' } },
        {
          key: { id: '3', bucket: '4' },
          kind: 'different',
          expected: { live: '1', note: 'same' },
          actual: { live: '2', note: 'same' },
        },
      ],
      refusedTotal: 1,
      refused: [{ workspaceId: '1', key: 'k', eventId: '9', error: 'no\nluck' }],
      parkedKeys: 1,
    },
    'links',
  );
  assert.deepEqual(text.split('\n'), [
    'projection counts: 5 differences; 1,200 rows compared',
    '  the row id 1 is missing; it should have live 2, note null',
    '  the row id 2 should not be there; it has live 3, note a b',
    '  the row id 3, bucket 4 has live 2 instead of 1',
    '  and 2 others',
    '  event 9 (workspace 1, key k) cannot be applied: no luck',
    '  1 key with parked events: loadstone groups parked links counts',
  ]);
});

test('a reference: what dangles, and whether that is a fault', () => {
  const whole: ReferenceReport = {
    reference: 'orders_link',
    onDelete: 'cascade',
    rows: 10,
    dangling: 0,
    underWay: 0,
    first: [],
  };
  assert.equal(renderReference(whole), 'reference orders_link: equal; 10 rows checked');
  const first = [{ id: '7', workspaceId: '1', bucket: 0, to: '8' }];
  const broken: ReferenceReport = { ...whole, dangling: 3, underWay: 2, first };
  assert.deepEqual(renderReference(broken).split('\n'), [
    'reference orders_link: 3 dangling rows; 10 rows checked, 2 being removed',
    '  the row 7 of workspace 1 refers to 8, which is gone',
    '  and 2 others',
  ]);
  const kept: ReferenceReport = { ...broken, onDelete: 'keep' };
  assert.match(renderReference(kept), /^reference orders_link: 3 dangling rows, as it allows; /);
  assert.deepEqual([whole, broken, kept].map(isFaulty), [false, true, false]);
});
