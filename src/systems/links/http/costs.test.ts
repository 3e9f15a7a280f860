/**
 * What links tell the planner of sizes, compared with what this server sends and keeps.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from '#base/testing/eventually.fixture';
import { sql } from '#blocks/database';
import { locateDatabase, lookInto, makeTestDirectory } from '#fixtures/database';
import { startTestServer, type TestServer } from '#server/server.fixture';
import { linksModel } from '../model.ts';

const TOLERANCE = 0.25;
const URL_BYTES = 100;
const URL_TEXT = 'https://example.com/'.padEnd(URL_BYTES, 'a');
const BROWSER =
  'user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\naccept: text/html';

let it: TestServer;
const dataDirectory = makeTestDirectory();
before(async () => {
  it = await startTestServer({ dataDirectory });
});
after(() => it.stop());

function costOf(operation: string) {
  const cost = linksModel.operations[operation]?.(URL_BYTES);
  assert(cost);
  return cost;
}

function assertNear(what: string, model: number, measured: number): void {
  const off = Math.abs(model / measured - 1);
  assert(off <= TOLERANCE, `${what}: ${model} by the model, ${measured} measured`);
}

/** Sends a request and compares its length and that of its answer. */
async function compare(operation: string, request: string, until: RegExp): Promise<string> {
  const answer = await it.raw(request, until);
  const { requestBytes, responseBytes } = costOf(operation);
  assertNear(`${operation}: request`, requestBytes, request.length);
  assertNear(`${operation}: answer`, responseBytes, answer.length);
  return answer;
}

test('requests, answers, events and kept answers are about as long as the model says', async () => {
  const body = JSON.stringify({ url: URL_TEXT });
  const head = `host: links.example.com\r\nauthorization: Bearer ${it.key}`;
  const key = '0'.repeat(36);
  const created = await compare(
    'create',
    `POST /v1/links HTTP/1.1\r\n${head}\r\ncontent-type: application/json\r\nidempotency-key: ${key}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    /\}$/,
  );
  const answer = created.slice(created.indexOf('\r\n\r\n') + 4);
  const { id, code } = JSON.parse(answer) as { id: string; code: string };
  assertNear('create: kept answer', costOf('create').answerBytesKept, answer.length);
  await compare('read', `GET /v1/links/${id} HTTP/1.1\r\n${head}\r\n\r\n`, /\}$/);
  await compare(
    'redirect',
    `GET /${code} HTTP/1.1\r\nhost: links.example.com\r\n${BROWSER}\r\n\r\n`,
    /\r\n\r\n$/,
  );
  const patch = JSON.stringify({ url: `${URL_TEXT}b` });
  await compare(
    'change',
    `PATCH /v1/links/${id} HTTP/1.1\r\n${head}\r\ncontent-type: application/json\r\ncontent-length: ${patch.length}\r\n\r\n${patch}`,
    /\}$/,
  );
  await compare('delete', `DELETE /v1/links/${id} HTTP/1.1\r\n${head}\r\n\r\n`, /\r\n\r\n$/);
  const { admin } = lookInto(locateDatabase(dataDirectory));
  const events = await eventually('the events', async () => {
    const rows = await admin.rows<{ bytes: number }>(
      sql`select bytes from core.stream_events order by position`,
    );
    return rows.length === 3 && rows;
  });
  for (const { bytes } of events) assertNear('event', costOf('create').eventBytes, bytes);
});
