import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '#base/clock';
import { systemRandom } from '#base/random';
import { scratchDirectory } from '../embedded.fixture.ts';
import {
  changeDatabaseFile,
  DATABASE_FILE,
  type DatabaseFile,
  DIRECTORY_NAMES,
  parseDatabaseFile,
  readDatabaseFile,
} from './database-file.ts';

const deps = { clock: systemClock, random: systemRandom };

const files: fc.Arbitrary<DatabaseFile> = fc
  .record({
    term: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    names: fc.shuffledSubarray([...DIRECTORY_NAMES], { minLength: 1 }),
    promotion: fc.option(
      fc.record({
        id: fc.string({ minLength: 1, maxLength: 20 }),
        from: fc.constantFrom(...DIRECTORY_NAMES),
        standby: fc.constantFrom(...DIRECTORY_NAMES),
        isForced: fc.boolean(),
        state: fc.constantFrom('asked', 'begun', 'decided', 'done', 'refused'),
        lostBytes: fc.option(fc.nat()),
      }),
      { nil: undefined },
    ),
  })
  .map(({ term, names: [primary = 'postgres', ...standbys], promotion }) => ({
    term,
    primary,
    standbys,
    ...(promotion === undefined ? {} : { promotion }),
  })) as fc.Arbitrary<DatabaseFile>;

test('property: what is written is what is read', () => {
  fc.assert(
    fc.property(files, (file) => {
      const text = JSON.stringify(file);
      assert.equal(JSON.stringify(parseDatabaseFile(text, 'x')), text);
    }),
  );
});

test('property: any other text is refused with one line that names the file', () => {
  const wrong = fc.oneof(
    fc.string(),
    fc.json(),
    fc
      .record({ term: fc.integer({ max: 0 }), primary: fc.constant('postgres') })
      .map((each) => JSON.stringify(each)),
    files.map((file) => JSON.stringify({ ...file, standbys: [file.primary] })),
    files.map((file) => JSON.stringify({ ...file, primary: '../elsewhere' })),
    files.map((file) => JSON.stringify({ ...file, more: true })),
    files.map((file) => JSON.stringify(file).slice(0, -1)),
  );
  fc.assert(
    fc.property(wrong, (text) => {
      assert.throws(() => parseDatabaseFile(text, '/data/database.json'), {
        code: 'database_file_invalid',
        message: /^\/data\/database\.json: [^\n]+$/,
      });
    }),
  );
});

test('what is wrong is named', () => {
  const message = (file: object) => {
    try {
      parseDatabaseFile(JSON.stringify(file), 'database.json');
    } catch (error) {
      return (error as Error).message;
    }
    return undefined;
  };
  assert.equal(
    message({ term: 0, primary: 'postgres', standbys: [] }),
    `database.json: term: 0 is not allowed; allowed is an integer from 1 to ${Number.MAX_SAFE_INTEGER}`,
  );
  assert.equal(
    message({ term: 1, primary: 'postgres', standbys: ['postgres'] }),
    'database.json: postgres is named twice',
  );
  assert.match(
    message({ term: 1, primary: 'pg', standbys: [] }) ?? '',
    /primary: "pg" is not allowed; allowed is/,
  );
});

test('without the file there is a primary and no standby; nothing is written until something changes', async (t) => {
  const directory = scratchDirectory(t);
  assert.deepEqual(readDatabaseFile(directory), { term: 1, primary: 'postgres', standbys: [] });
  await changeDatabaseFile(directory, deps, () => undefined);
  assert.deepEqual(readdirSync(directory), []);
  await changeDatabaseFile(directory, deps, (now) => ({ ...now, standbys: ['postgres-standby-1'] }));
  assert.deepEqual(readdirSync(directory), [DATABASE_FILE]);
  assert.deepEqual(readDatabaseFile(directory).standbys, ['postgres-standby-1']);
});

test('changes at the same time all take place, one after another', async (t) => {
  const directory = scratchDirectory(t);
  const raise = () => changeDatabaseFile(directory, deps, (now) => ({ ...now, term: now.term + 1 }));
  const results = await Promise.all(Array.from({ length: 20 }, raise));
  assert.equal(new Set(results.map(({ term }) => term)).size, 20);
  assert.equal(readDatabaseFile(directory).term, 21);
  assert.deepEqual(readdirSync(directory), [DATABASE_FILE]);
});

test('a change that is wrong, or throws, changes nothing and lets go of the file', async (t) => {
  const directory = scratchDirectory(t);
  await changeDatabaseFile(directory, deps, (now) => ({ ...now, term: 7 }));
  const before = readFileSync(join(directory, DATABASE_FILE), 'utf8');
  await assert.rejects(
    changeDatabaseFile(directory, deps, (now) => ({ ...now, term: 6 })),
    /the term fell from 7 to 6/,
  );
  await assert.rejects(
    changeDatabaseFile(directory, deps, (now) => ({ ...now, standbys: ['postgres'] })),
    { code: 'database_file_invalid' },
  );
  await assert.rejects(
    changeDatabaseFile(directory, deps, () => {
      throw new Error('changed our mind');
    }),
    /changed our mind/,
  );
  assert.equal(readFileSync(join(directory, DATABASE_FILE), 'utf8'), before);
  assert.deepEqual(readdirSync(directory), [DATABASE_FILE]);
});

test('a lock and a draft that a killed process has left are no hindrance', async (t) => {
  const directory = scratchDirectory(t);
  writeFileSync(join(directory, `${DATABASE_FILE}.lock`), '{"pid":4194304,"started":null}\n');
  writeFileSync(join(directory, `${DATABASE_FILE}.draft`), '{"ter');
  await changeDatabaseFile(directory, deps, (now) => ({ ...now, term: 2 }));
  assert.equal(readDatabaseFile(directory).term, 2);
  assert(!existsSync(join(directory, `${DATABASE_FILE}.lock`)));
});
