import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { type Clock, sleep, systemClock } from '#base/clock';
import { seededRandom } from '#base/random';
import {
  createLoad,
  encodeRequest,
  type LoadAnswer,
  type LoadOptions,
  type LoadRequest,
  type LoadSummary,
  parseOrigin,
} from './index.ts';

const clock: Clock = systemClock;
const GET: LoadRequest = { method: 'GET', path: '/', headers: {} };
/** As many requests as uniform arrivals at 200/s have in half a second. */
const HUNDRED: Pick<LoadOptions, 'ratePerS' | 'durationMs'> = { ratePerS: 200, durationMs: 500 };

interface Ran {
  summary: LoadSummary;
  answers: LoadAnswer[];
}

async function run(
  origin: string,
  options: Partial<LoadOptions>,
  {
    next = () => GET,
    signal = new AbortController().signal,
    enough,
  }: { next?: (n: number) => LoadRequest; signal?: AbortSignal; enough?: AbortSignal } = {},
): Promise<Ran> {
  const answers: LoadAnswer[] = [];
  const load = createLoad(
    {
      ...{ origin, connections: 8, arrivals: 'uniform', pendingMax: 1000, timeoutMs: 20_000 },
      ...HUNDRED,
      ...options,
    },
    { clock, random: seededRandom(1), next, onAnswer: (answer) => answers.push(answer) },
  );
  const summary = await load.run(signal, enough);
  const outcomes = Object.values(summary.outcomes).reduce((sum, count) => sum + count, 0);
  assert.equal(outcomes, summary.planned);
  assert.equal(answers.length, summary.planned);
  for (const { intendedMs, sentMs = intendedMs, endedMs } of answers) {
    assert(intendedMs <= sentMs && sentMs <= endedMs);
  }
  return { summary, answers };
}

async function listening(context: TestContext, server: Server): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(async () => {
    for (const socket of sockets) socket.destroy();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const serve = (context: TestContext, answer: RequestListener) => listening(context, createServer(answer));

test('every arrival is answered, with status, headers and body, over few connections', async (context) => {
  let connections = 0;
  const server = createServer((request, response) => {
    let received = '';
    request.setEncoding('utf8').on('data', (chunk: string) => {
      received += chunk;
    });
    request.on('end', () => {
      response.setHeader('x-method', `${request.method} ${request.url} ${request.headers.host}`);
      response.writeHead(received === '' ? 200 : 201).end(`got ${received}`);
    });
  });
  server.on('connection', () => {
    connections += 1;
  });
  const origin = await listening(context, server);
  const { summary, answers } = await run(
    origin,
    { connections: 3 },
    {
      next: (n) =>
        n % 2 === 0
          ? { method: 'GET', path: `/${n}`, headers: {}, tag: n }
          : { method: 'POST', path: `/${n}`, headers: { 'x-y': 'z' }, body: `grüße ${n}`, tag: n },
    },
  );
  assert.equal(summary.outcomes.answered, 100);
  assert.deepEqual(
    new Map(summary.statuses),
    new Map([
      [200, 50],
      [201, 50],
    ]),
  );
  assert(connections <= 3);
  for (const { request, status, headers, body } of answers) {
    const { method, path, tag } = request;
    assert.equal(status, method === 'GET' ? 200 : 201);
    assert.equal(headers?.['x-method'], `${method} ${path} ${origin.slice(7)}`);
    assert.equal(body, method === 'GET' ? 'got ' : `got grüße ${tag}`);
  }
  assert.equal(answers.filter(({ isReused }) => !isReused).length, connections);
});

test('what a stalled server delays is in the latencies, of all that should have been sent meanwhile', async (context) => {
  const STALL_MS = 500;
  let stalled: Promise<void> | undefined;
  const origin = await serve(context, (request, response) => {
    if (request.url === '/50') stalled = sleep(clock, STALL_MS);
    const answer = () => response.end();
    if (stalled) stalled.then(answer);
    else answer();
  });
  const { summary, answers } = await run(
    origin,
    { connections: 1 },
    { next: (n) => ({ ...GET, path: `/${n}` }) },
  );
  assert.equal(summary.outcomes.answered, 100);
  const [first] = answers.filter(({ request }) => request.path === '/50');
  assert(first && first.endedMs - first.intendedMs >= STALL_MS - 1);
  // The one connection hid the stall from those behind it; their intended times do not.
  assert(summary.latency.atMs(0.99) >= STALL_MS * 0.9, `${summary.latency.atMs(0.99)}`);
  const delayed = answers.filter(({ intendedMs, endedMs }) => endedMs - intendedMs > 100).length;
  assert(delayed >= 40, `${delayed} were delayed`);
});

test('with `status` neither headers nor bodies are kept', async (context) => {
  const origin = await serve(context, (_request, response) => response.end('body'));
  const encoded = encodeRequest(GET, parseOrigin(origin).authority);
  const { answers } = await run(origin, { answers: 'status' }, { next: () => ({ ...GET, encoded }) });
  for (const { status, headers, body } of answers) {
    assert.deepEqual([status, headers, body], [200, undefined, undefined]);
  }
});

describe('what fails is told apart', () => {
  test('refused connections', async (context) => {
    const server = createServer();
    const origin = await listening(context, server);
    await new Promise((resolve) => server.close(resolve));
    const { summary, answers } = await run(origin, {});
    assert.equal(summary.outcomes.refused_connection, 100);
    assert(answers.every(({ sentMs, problem }) => sentMs === undefined && problem === 'ECONNREFUSED'));
  });

  test('resets and connections closed before the answer was whole', async (context) => {
    const endings: ((socket: Socket) => void)[] = [
      (socket) => socket.resetAndDestroy(),
      (socket) => socket.end(),
      (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'),
      (socket) => socket.write('SMTP ready\r\n\r\n'),
    ];
    let turn = 0;
    const origin = await listening(
      context,
      createTcpServer((socket) => socket.once('data', () => endings[turn++ % endings.length]?.(socket))),
    );
    const { summary, answers } = await run(origin, {});
    assert.equal(summary.outcomes.broken, 100);
    const problems = new Set(answers.map(({ problem = '' }) => problem.replace(/:.*/, '')));
    assert.deepEqual(
      problems,
      new Set(['ECONNRESET', 'the server has closed the connection', 'it does not begin with HTTP/1.']),
    );
  });

  test('answers that come too late, or never', async (context) => {
    const origin = await serve(context, (request, response) => {
      if (request.url === '/now') response.end();
    });
    const { summary, answers } = await run(
      origin,
      { timeoutMs: 300, connections: 200 },
      { next: (n) => ({ ...GET, path: n % 2 === 0 ? '/now' : '/never' }) },
    );
    assert.equal(summary.outcomes.timed_out, summary.planned - summary.outcomes.answered);
    assert(summary.outcomes.timed_out >= 50);
    for (const { outcome, intendedMs, endedMs } of answers) {
      if (outcome === 'timed_out') assert(endedMs - intendedMs >= 300);
    }
  });

  test('what waits too long for a connection is never sent, and what cannot even wait is shed', async (context) => {
    let received = 0;
    const origin = await serve(context, () => {
      received += 1;
    });
    const { summary, answers } = await run(origin, { connections: 2, pendingMax: 5, timeoutMs: 1000 });
    const { timed_out, shed } = summary.outcomes;
    assert.equal(timed_out + shed, 100);
    assert(shed >= 80, `${shed}`);
    const sent = answers.filter(({ sentMs }) => sentMs !== undefined);
    assert(received <= sent.length && sent.every(({ outcome }) => outcome === 'timed_out'));
  });
});

test('a server that closes each connection is connected to again', async (context) => {
  const origin = await serve(context, (_request, response) => {
    response.setHeader('connection', 'close').end('x');
  });
  const { summary, answers } = await run(origin, {});
  assert.equal(summary.outcomes.answered, 100);
  assert(answers.every(({ isReused }) => !isReused));
});

test('a server that goes away and comes back is used again', async (context) => {
  let turn = 0;
  const origin = await listening(
    context,
    createTcpServer((socket) => {
      socket.on('data', () => {
        turn += 1;
        if (turn === 20) socket.resetAndDestroy();
        else socket.write('HTTP/1.1 204 No Content\r\n\r\n');
      });
    }),
  );
  const { summary } = await run(origin, { connections: 1 });
  assert.deepEqual([summary.outcomes.answered, summary.outcomes.broken], [99, 1]);
});

test('cut short, it ends at once, and tells what was under way', async (context) => {
  const controller = new AbortController();
  let received = 0;
  const origin = await serve(context, () => {
    received += 1;
    if (received === 4) controller.abort();
  });
  const { summary } = await run(
    origin,
    { connections: 4, durationMs: 3_600_000 },
    { signal: controller.signal },
  );
  assert.equal(summary.outcomes.broken, 4);
  assert.equal(summary.outcomes.broken + summary.outcomes.shed, summary.planned);
  const before = await run(origin, {}, { signal: controller.signal });
  assert.equal(before.summary.planned, 0);
});

test('ended, it takes in nothing more, and waits for what is under way', async (context) => {
  const [aborted, enough] = [new AbortController(), new AbortController()];
  let received = 0;
  const held: (() => void)[] = [];
  const origin = await serve(context, (_request, response) => {
    received += 1;
    if (received < 4) held.push(() => response.end());
    else response.end();
    if (received !== 20) return;
    enough.abort();
    for (const answer of held) answer();
  });
  const endless = { connections: 40, durationMs: 3_600_000 };
  const { summary, answers } = await run(origin, endless, {
    signal: aborted.signal,
    enough: enough.signal,
  });
  assert.equal(summary.outcomes.answered, summary.planned);
  assert(summary.planned >= 20 && summary.planned === received, `${summary.planned} of ${received}`);
  // All that was due until then: uniform arrivals are 5 ms apart, and none is left out.
  const times = answers.map(({ intendedMs }) => intendedMs).toSorted((a, b) => a - b);
  for (const [i, time] of times.entries()) assert(Math.abs(time - (times[0] ?? 0) - i * 5) < 0.01);
  const before = await run(origin, {}, { enough: enough.signal });
  assert.equal(before.summary.planned, 0);
});

test('a seed gives the same schedule again', async (context) => {
  const origin = await serve(context, (_request, response) => response.end());
  const gapsOf = ({ answers }: Ran) => {
    const times = answers.map(({ intendedMs }) => intendedMs).toSorted((a, b) => a - b);
    return times.slice(1).map((time, i) => (time - (times[i] ?? 0)).toFixed(6));
  };
  const [one, other] = [
    await run(origin, { arrivals: 'poisson' }),
    await run(origin, { arrivals: 'poisson' }),
  ];
  assert.deepEqual(gapsOf(one), gapsOf(other));
});

test('what is no origin is refused', () => {
  for (const origin of ['', '127.0.0.1:80', 'https://host', 'http://host/path', 'http://user@host']) {
    assert.throws(() => parseOrigin(origin), { code: 'load_origin_invalid' });
  }
  assert.deepEqual(parseOrigin('http://[::1]:81'), { host: '::1', port: 81, authority: '[::1]:81' });
});

describe('a generator that is late itself', () => {
  /** Keeps this process, and so the generator, from everything else. */
  function stall(durationMs: number): void {
    const untilMs = clock.monotonicMs() + durationMs;
    while (clock.monotonicMs() < untilMs);
  }

  test('tells it of each request, of those that it never sent too', async (context) => {
    const STALL_MS = 300;
    const origin = await serve(context, (_request, response) => response.end());
    const { answers } = await run(
      origin,
      { connections: 1, pendingMax: 5 },
      {
        next(n) {
          if (n === 20) stall(STALL_MS);
          return GET;
        },
      },
    );
    const unsent = answers.filter(({ outcome }) => outcome === 'shed');
    assert(unsent.length > 0 && unsent.every(({ sentMs }) => sentMs === undefined));
    assert(unsent.some(({ lateMs }) => lateMs > STALL_MS / 2));
    assert(answers.every(({ lateMs }) => lateMs >= 0));
  });

  test('reads the answers that have come meanwhile before it gives a request up', async (context) => {
    const TIMEOUT_MS = 2000;
    const steps = new Int32Array(new SharedArrayBuffer(12));
    const [ASKED, GO, ANSWERED] = [0, 1, 2];
    const worker = new Worker(
      `const { createServer } = require('node:http');
       const { parentPort, workerData: steps } = require('node:worker_threads');
       const set = (step) => { Atomics.store(steps, step, 1); Atomics.notify(steps, step); };
       const server = createServer((request, response) => {
         set(${ASKED});
         Atomics.wait(steps, ${GO}, 0);
         response.end('x', () => set(${ANSWERED}));
       });
       server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));`,
      { eval: true, workerData: steps },
    );
    context.after(() => worker.terminate());
    const port = await new Promise<number>((resolve) => worker.once('message', resolve));
    let isAnswered = false;
    const { answers } = await run(
      `http://127.0.0.1:${port}`,
      { connections: 1, ratePerS: 20, durationMs: 1500, timeoutMs: TIMEOUT_MS },
      {
        next() {
          // From here on nothing of this process runs, until the answer has come and is too old.
          if (Atomics.load(steps, ASKED) === 1 && !isAnswered) {
            Atomics.store(steps, GO, 1);
            Atomics.notify(steps, GO);
            Atomics.wait(steps, ANSWERED, 0);
            isAnswered = true;
            stall(TIMEOUT_MS);
          }
          return GET;
        },
      },
    );
    assert(isAnswered);
    const [first] = answers.toSorted((a, b) => a.intendedMs - b.intendedMs);
    assert.equal(first?.outcome, 'answered');
  });
});
