import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { type Random, systemRandom } from '#base/random';
import { type DirectoryLock, lockDirectory } from './directory-lock.ts';
import { atEnd, type Scope, scratchDirectory } from './embedded.fixture.ts';
import { identifyProcess } from './process-identity.ts';

const textIn = (directory: string) => readFileSync(join(directory, 'server.lock'), 'utf8');

/** Ended and reaped, so its pid means nobody; `started` as if it had been given out again. */
const DEAD = { pid: 2 ** 22 + 1, started: null };

test('held by this process until released, and then by whoever comes', (t) => {
  const directory = scratchDirectory(t);
  const lock = lockDirectory(directory, systemRandom);
  assert.equal(lock.pid, process.pid);
  assert.throws(() => lockDirectory(directory, systemRandom), {
    code: 'data_in_use',
    message: `${directory} is in use by this process (pid ${process.pid})`,
  });
  lock.release();
  lock.release();
  assert.deepEqual(readdirSync(directory), []);
  const next = lockDirectory(directory, systemRandom);
  lock.release();
  assert.match(
    textIn(directory),
    new RegExp(`"pid":${process.pid}`),
    'a released lock cannot release another',
  );
  next.release();
});

test('a dead holder, a reused pid, another boot, and a text cut short are taken over', (t) => {
  const directory = scratchDirectory(t);
  const alive = identifyProcess(process.pid);
  assert(alive);
  const stale = [
    JSON.stringify({ ...DEAD, nonce: 'a' }),
    ...(alive.started === null ? [] : [JSON.stringify({ pid: alive.pid, started: 'another boot/1' })]),
    ...(alive.started === null ? [] : [JSON.stringify({ pid: alive.pid, started: `${alive.started}1` })]),
    '{"pid":12',
    '',
    'null',
  ];
  for (const text of stale) {
    writeFileSync(join(directory, 'server.lock'), text);
    const lock = lockDirectory(directory, systemRandom);
    assert.match(textIn(directory), new RegExp(`"pid":${process.pid}`));
    assert.deepEqual(readdirSync(directory), ['server.lock']);
    lock.release();
  }
});

/** The second lock, under which a dead holder's text is replaced. */
function claimOf(text: string): string {
  return `server.lock.${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
}

test('a take-over that was itself killed does not block the next', (t) => {
  const directory = scratchDirectory(t);
  const text = JSON.stringify({ ...DEAD, nonce: 'a' });
  const claim = JSON.stringify({ ...DEAD, nonce: 'b' });
  writeFileSync(join(directory, 'server.lock'), text);
  writeFileSync(join(directory, claimOf(text)), claim);
  const lock = lockDirectory(directory, systemRandom);
  assert.deepEqual(readdirSync(directory), ['server.lock']);
  lock.release();
});

test('one that comes first in the middle of a take-over keeps it', (t) => {
  const directory = scratchDirectory(t);
  writeFileSync(join(directory, 'server.lock'), JSON.stringify({ ...DEAD, nonce: 'a' }));
  let calls = 0;
  let faster: DirectoryLock | undefined;
  const interrupted: Random = {
    ...systemRandom,
    bytes(count) {
      // The second call is for the second lock: the dead holder has been read by then.
      if (++calls === 2) faster = lockDirectory(directory, systemRandom);
      return systemRandom.bytes(count);
    },
  };
  assert.throws(() => lockDirectory(directory, interrupted), { code: 'data_in_use' });
  assert.deepEqual(readdirSync(directory), ['server.lock']);
  faster?.release();
  assert.deepEqual(readdirSync(directory), []);
});

const CONTENDERS = 5;
const ROUNDS = 40;

/** A process that tries to lock each directory it is told, and says whether it got it. */
function contender(t: Scope): (directory: string) => Promise<string | undefined> {
  const script = `
    import { createInterface } from 'node:readline';
    import { lockDirectory } from ${JSON.stringify(new URL('./directory-lock.ts', import.meta.url).href)};
    import { systemRandom } from ${JSON.stringify(import.meta.resolve('#base/random'))};
    for await (const directory of createInterface({ input: process.stdin })) {
      let answer = 'won';
      try { lockDirectory(directory, systemRandom); } catch (error) { answer = error.code; }
      process.stdout.write(answer + '\\n');
    }
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  atEnd(t, async () => {
    child.stdin.end();
    await exited;
  });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return async (directory) => {
    child.stdin.write(`${directory}\n`);
    return (await answers.next()).value;
  };
}

test('of many processes that find the same dead holder, or none, exactly one wins', async (t) => {
  const scratch = scratchDirectory(t);
  const contenders = Array.from({ length: CONTENDERS }, () => contender(t));
  for (let round = 0; round < ROUNDS; round++) {
    const directory = join(scratch, String(round));
    mkdirSync(directory);
    if (round % 2 === 0)
      writeFileSync(join(directory, 'server.lock'), JSON.stringify({ ...DEAD, nonce: round }));
    const answers = await Promise.all(contenders.map((tryToLock) => tryToLock(directory)));
    const expected = ['won', ...Array.from({ length: CONTENDERS - 1 }, () => 'data_in_use')];
    assert.deepEqual(answers.toSorted().reverse(), expected, `round ${round}`);
    assert.deepEqual(readdirSync(directory), ['server.lock']);
  }
});
