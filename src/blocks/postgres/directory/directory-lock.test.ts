import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { apartFromHere, UNSHARE } from '#base/testing/namespaces.fixture';
import { atEnd, type Scope, scratchDirectory } from '../embedded.fixture.ts';
import { identifyProcess } from '../process/process-identity.ts';
import { holderOf, lockDirectory } from './directory-lock.ts';

const textIn = (directory: string) => readFileSync(join(directory, 'server.lock'), 'utf8');

/** Ended and reaped, so its pid means nobody; `started` as if it had been given out again. */
const DEAD = { pid: 2 ** 22 + 1, started: null };

test('held by this process until released, and then by whoever comes', (t) => {
  const directory = scratchDirectory(t);
  assert.equal(holderOf(directory), undefined);
  const lock = lockDirectory(directory);
  assert.equal(lock.pid, process.pid);
  assert.equal(holderOf(directory), process.pid);
  assert.throws(() => lockDirectory(directory), {
    code: 'data_in_use',
    message: `${directory} is in use by this process (pid ${process.pid})`,
  });
  lock.release();
  lock.release();
  assert.deepEqual(readdirSync(directory), []);
  assert.equal(holderOf(directory), undefined);
  const next = lockDirectory(directory);
  lock.release();
  assert.match(
    textIn(directory),
    new RegExp(`"pid":${process.pid}`),
    'a released lock cannot release another',
  );
  next.release();
});

test('what a holder that is gone has left is taken over, whatever it says', (t) => {
  const directory = scratchDirectory(t);
  const alive = identifyProcess(process.pid);
  assert(alive);
  const stale = [
    JSON.stringify({ ...DEAD, nonce: 'a' }),
    // Of this very process, as one in another container may have written it that had the same pid: it decides nothing.
    JSON.stringify({ ...alive, host: 'elsewhere', namespace: 'pid:[1]' }),
    ...(alive.started === null ? [] : [JSON.stringify({ pid: alive.pid, started: 'another boot/1' })]),
    ...(alive.started === null ? [] : [JSON.stringify({ pid: alive.pid, started: `${alive.started}1` })]),
    '{"pid":12',
    '',
    'null',
  ];
  for (const text of stale) {
    writeFileSync(join(directory, 'server.lock'), text);
    const lock = lockDirectory(directory);
    assert.match(textIn(directory), new RegExp(`"pid":${process.pid}`));
    assert.deepEqual(readdirSync(directory), ['server.lock']);
    lock.release();
  }
});

test('a live server of a version that was judged by its pid is not joined', (t) => {
  const directory = scratchDirectory(t);
  const other = spawn('sleep', ['60']);
  atEnd(t, () => void other.kill('SIGKILL'));
  writeFileSync(
    join(directory, 'server.lock'),
    JSON.stringify({ ...identifyProcess(other.pid ?? 0), nonce: 'a' }),
  );
  assert.throws(() => lockDirectory(directory), {
    code: 'data_in_use',
    message: `${directory} is in use by another server (pid ${other.pid})`,
  });
  assert.equal(holderOf(directory), other.pid);
});

const CONTENDERS = 5;
const ROUNDS = 12;

interface Contender {
  /** Locks the directory, or says who has it. */
  lock(directory: string): Promise<string | undefined>;
  kill(): Promise<void>;
}

/** A process that tries to lock each directory it is told, and says whether it got it. */
function contender(t: Scope, through: readonly string[] = []): Contender {
  const script = `
    import { createInterface } from 'node:readline';
    import { holderOf, lockDirectory } from ${JSON.stringify(new URL('./directory-lock.ts', import.meta.url).href)};
    for await (const directory of createInterface({ input: process.stdin })) {
      let answer = 'won';
      try { lockDirectory(directory); } catch (error) { answer = error.message; }
      process.stdout.write(answer + ' ' + (holderOf(directory) === undefined ? 'free' : 'held') + '\\n');
    }
  `;
  const [file = '', ...args] = [...through, process.execPath, '--input-type=module', '-e', script];
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  // Also when `through` has ended: what it ran may live for a moment longer.
  const exited = once(child, 'close');
  atEnd(t, async () => {
    child.stdin.end();
    await exited;
  });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async lock(directory) {
      child.stdin.write(`${directory}\n`);
      return (await answers.next()).value;
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
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
    const answers = await Promise.all(contenders.map(({ lock }) => lock(directory)));
    assert.equal(
      answers.filter((answer) => answer?.startsWith('won')).length,
      1,
      `round ${round}: ${answers}`,
    );
    assert(answers.every((answer) => answer?.endsWith(' held')));
    assert.deepEqual(readdirSync(directory), ['server.lock']);
  }
});

test('a holder in another pid namespace is seen, and one killed there is gone at once', {
  skip: apartFromHere && `containers cannot be imitated: ${apartFromHere}`,
}, async (t) => {
  const directory = scratchDirectory(t);
  const inside = contender(t, UNSHARE);
  const outside = contender(t);
  assert.equal(await inside.lock(directory), 'won held');
  const refusal =
    /is in use by another server \(pid 1 of .*\), which runs in another container or on another machine/;
  assert.match((await outside.lock(directory)) ?? '', refusal);
  assert.throws(() => lockDirectory(directory), { code: 'data_in_use', message: refusal });
  assert.equal(holderOf(directory), 1);
  await inside.kill();
  const successor = contender(t, UNSHARE);
  assert.equal(await successor.lock(directory), 'won held');
  await successor.kill();
  assert.equal(holderOf(directory), undefined);
  assert.equal(await outside.lock(directory), 'won held');
  assert.match((await contender(t, UNSHARE).lock(directory)) ?? '', /another container/);
});

test('a child that was started meanwhile does not keep the lock', async (t) => {
  const directory = scratchDirectory(t);
  const lock = lockDirectory(directory);
  const child = spawn('sleep', ['60']);
  atEnd(t, () => void child.kill('SIGKILL'));
  await once(child, 'spawn');
  lock.release();
  lockDirectory(directory).release();
  const run = spawnSync('flock', ['-n', directory, 'true']);
  assert.equal(run.status, 0);
});
