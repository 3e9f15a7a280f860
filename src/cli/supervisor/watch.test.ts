/**
 * `start --watch` with real processes: what is changed in a system's directory serves a moment later, what cannot start does
 * not, and no request fails meanwhile.
 */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '#base/testing/eventually.fixture';
import { createScene, FREE_PORT, type Loadstone, postmasterIn } from '../process.fixture.ts';
import { childrenOf } from './processes.fixture.ts';

const SYSTEM = `
  import { defineRoute, defineSystem, handleRoute, optionsSchema, sql, Type } from 'loadstone';
  import { answer } from './words/answer.ts';
  const route = { method: 'GET', path: '/v1/mine', id: 'mine', summary: 'Mine', access: 'public' } as const;
  const shape = defineRoute({ ...route, replies: { 200: Type.Object({ text: Type.String() }) } });
  export default defineSystem({
    name: 'mine',
    summary: 'Mine.',
    options: optionsSchema({}),
    migrations: new URL('./migrations/', import.meta.url),
    create: () => ({
      routes: [handleRoute(shape, async (_, { reader }) => ({ status: 200, body: { text: await answer(reader, sql) } }))],
    }),
  });
`;
const says = (word: string) => `export const answer = async (..._: any[]) => '${word}';\n`;

describe('a system that is watched', () => {
  const scene = createScene({ after });
  let server: Loadstone;
  let mine: string;
  let postmaster: number;

  const write = (file: string, text: string) => writeFileSync(join(mine, file), text);
  const ask = async () => ((await (await fetch(`${server.url}/v1/mine`)).json()) as { text: string }).text;
  const told = (pattern: RegExp) => eventually(String(pattern), () => pattern.exec(server.stdout())?.[0]);

  before(async () => {
    const cwd = scene.directory();
    mine = join(cwd, 'mine');
    for (const name of ['words', 'migrations', 'node_modules', '.git'])
      mkdirSync(join(mine, name), { recursive: true });
    write('migrations/0001_first.sql', 'create table mine.first (one int);\n');
    write('index.ts', SYSTEM);
    write('words/answer.ts', says('one'));
    // The data directory lies in the system's own: Postgres writes there all the time.
    const data = join(mine, 'data');
    const args = ['--data', data, '--listen', FREE_PORT, '--systems', './mine', '--watch'];
    server = await scene.start({ cwd, data, args });
    postmaster = postmasterIn(data);
    assert.equal(await ask(), 'one');
  });

  test('is replaced when one of its files changes, and no request fails', async () => {
    const answers: string[] = [];
    let isOver = false;
    const asking = [1, 2].map(async () => {
      while (!isOver) answers.push(await ask());
    });
    write('words/answer.ts', says('two'));
    await told(/ s {2}changed: mine\/words\/answer\.ts\n.*\n.*\n.* s {2}replaced 1 process\n/);
    await eventually('the new one answers', () => answers.at(-1) === 'two');
    isOver = true;
    await Promise.all(asking);
    assert.deepEqual([...new Set(answers)].sort(), ['one', 'two']);
    assert.equal(postmasterIn(server.data), postmaster);
  });

  test('goes on as it was when it cannot be loaded or does not start; the line says why', async () => {
    const pid = childrenOf(server).get(1);
    write('words/answer.ts', 'export const = 1;\n');
    await told(/ is not replaced, .* mine\/words\/answer\.ts:1: .*\(system_invalid\)\n/);
    assert.equal(await ask(), 'two');
    write('words/answer.ts', says('two and a half'));
    write('index.ts', SYSTEM.replace("access: 'public'", "access: 'anybody'"));
    await told(/ is not replaced, .*its access is "anybody".*\(system_invalid\)\n/);
    assert.equal(await ask(), 'two');
    assert.deepEqual([childrenOf(server).get(1), postmasterIn(server.data)], [pid, postmaster]);
  });

  test('is not replaced for what others put there, is for a new directory, and brings its table with it', async () => {
    const before = server.stdout().length;
    for (const name of ['node_modules/x.ts', '.git/x.ts', '.x.ts', 'x.ts~', 'x.log']) write(name, '');
    mkdirSync(join(mine, 'more'));
    write('more/text.ts', "export const text = 'three';\n");
    write(
      'migrations/0002_second.sql',
      "create table mine.second (word text); insert into mine.second values ('three');\n",
    );
    write(
      'words/answer.ts',
      'export const answer = async (reader, sql) => (await reader().first(sql`select word from mine.second`)).word;\n',
    );
    write('index.ts', SYSTEM);
    await eventually('it has its table', async () => (await ask()) === 'three');
    await eventually('that is told', () => server.stdout().indexOf('replaced 1 process\n', before) > 0);
    const changed = [
      ...server
        .stdout()
        .slice(before)
        .matchAll(/changed: (.*)\n/g),
    ].map(([, file]) => file);
    for (const file of changed) assert.doesNotMatch(String(file), /node_modules|\/\.|~|\.log|data/);
    write('more/text.ts', "export const text = 'four';\n");
    await eventually('a file of the new directory is seen', () =>
      server.stdout().includes('changed: mine/more/text.ts\n'),
    );
    assert.equal(postmasterIn(server.data), postmaster);
    assert.deepEqual(await server.stop(), { code: 0, signal: null });
  });
});

test('there must be something to watch', async (t) => {
  const scene = createScene(t);
  const cwd = scene.directory();
  const { code, stderr } = await scene.run(['start', '--watch'], { cwd });
  assert.deepEqual(
    [code, /watch: nothing to watch; name a system by its path/.test(stderr)],
    [2, true],
    stderr,
  );
});
