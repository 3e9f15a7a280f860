import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeNews, encodeNews } from './news.ts';
import type { News, Subject } from './subject.ts';

const both = (news: ReadonlyMap<Subject, News>) => decodeNews(encodeNews(news));

test('news arrive as they were told, with what is known of them or without', () => {
  const news = new Map<Subject, News>([
    ['log', new Map([['3', '9223372036854775807']])],
    ['outbox', undefined],
  ]);
  assert.deepEqual(both(news), news);
  assert.deepEqual(both(new Map()), new Map());
});

test('what does not fit into a notification is left to be looked for', () => {
  const many = new Map(Array.from({ length: 1000 }, (_, i) => [`queue_${i}`, '']));
  const text = encodeNews(new Map([['jobs', many]]));
  assert(Buffer.byteLength(text) < 8000);
  assert.deepEqual(decodeNews(text), new Map([['jobs', undefined]]));
});

test('what is not understood means that anything may be new', () => {
  for (const text of ['', '{', 'null', '{"later":null}', '{"log":[}'])
    assert.equal(decodeNews(text), undefined, text);
});
