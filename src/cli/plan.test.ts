import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readConfiguration } from './config.ts';
import { createScene, ROOT } from './process.fixture.ts';

interface LinksOptions {
  cacheEntriesMax: number;
}

const scene = createScene({ after });
const EXAMPLES = join(ROOT, 'examples', 'workloads');

async function plan(...args: string[]) {
  const ended = await scene.run(['plan', ...args]);
  return { ...ended, line: ended.stderr.trim().replace(/^loadstone: /, '') };
}

/** What the examples come to, as they are printed. */
const EXPECTED: Record<string, readonly RegExp[]> = {
  'links.yaml': [
    /actions, average +231\/s/,
    /actions, peak +2,315\/s +≈ 2,300\/s/,
    /latency of redirect, mean +1\.225 ms/,
    /the simplest that holds\n {2}one server\n {2}\+ 1 standby of each database, on a machine of its own\n.*\n\n/,
  ],
  'posts.yaml': [
    /reads, average +5,787\/s +≈ 5,800\/s/,
    /reads, peak +17,361\/s +≈ 17,400\/s/,
    /writes, average +579\/s +≈ 580\/s/,
    /objects, a day +25 TB\/day/,
    /objects, after a year +9\.125 PB +≈ 9 PB/,
  ],
  'uploads.yaml': [
    /objects, a day +100 GB\/day/,
    /objects, after a year +36\.5 TB +≈ 36 TB/,
    /the simplest that holds\n {2}one server\n {2}\+ 1 standby of each database, on a machine of its own\n.*\n\n/,
  ],
};

test('the examples come to what their numbers come to, and to configurations that the server takes', async () => {
  assert.deepEqual(readdirSync(EXAMPLES).sort(), Object.keys(EXPECTED));
  for (const [file, lines] of Object.entries(EXPECTED)) {
    const out = join(scene.directory(), 'loadstone.yaml');
    const { code, stdout } = await plan(join(EXAMPLES, file), '--out', out);
    assert.equal(code, 0);
    assert.match(stdout, /^capacity: (estimated|measured) on /m);
    for (const line of lines) assert.match(stdout, line, file);
    assert.match(readFileSync(out, 'utf8'), /^# Written by `loadstone plan`/);
    const { options, systemOptions } = await readConfiguration({ config: out }, {});
    if (file !== 'links.yaml') continue;
    // One on the machine of its primary is not what the plan counts.
    assert.equal(options.database.standbys, 0);
    assert.equal(options.processes, 1);
    assert.deepEqual(options.systems, ['links']);
    assert.equal((systemOptions.links as LinksOptions).cacheEntriesMax, 3_900_000);
  }
});

test('every key of a plan is one of the server, and a file that is there is left as it is', async () => {
  const out = join(scene.directory(), 'loadstone.yaml');
  const workload = join(scene.directory(), 'workload.yaml');
  const users = 'users: { daily: 1000000 }\npeakFactor: 10\n';
  writeFileSync(workload, `${users}custom: { app: { actionsPerUserPerDay: 20, readsPerWrite: 19 } }\n`);
  const { stdout } = await plan(workload, '--out', out, '--json');
  const { configuration } = JSON.parse(stdout) as { configuration: Record<string, unknown> };
  const { options } = await readConfiguration({ config: out }, {});
  for (const [key, value] of Object.entries(configuration)) {
    assert.partialDeepStrictEqual((options as Record<string, unknown>)[key], value);
  }
  const again = await plan(workload, '--out', out);
  assert.equal(again.code, 1);
  assert.match(again.line, /^out: .* cannot be written; a file that is there is left as it is/);
});

test('another calibration is used, and told of; the arithmetic is shown', async () => {
  const file = join(scene.directory(), 'calibration.json');
  const { defaultCalibration } = await import('#blocks/plan');
  const { routes } = defaultCalibration;
  const slow = { ...defaultCalibration, label: 'a slow machine', source: 'measured' };
  const create = { ...routes.create, kneePerS: 20 };
  writeFileSync(file, JSON.stringify({ ...slow, routes: { ...routes, create } }));
  const { code, stdout } = await plan(join(EXAMPLES, 'links.yaml'), '--calibration', file, '--explain');
  assert.equal(code, 0);
  assert.match(stdout, /^capacity: measured on .*\n {2}a slow machine$/m);
  assert.match(stdout, /1,000,000 × 0\.5 ÷ 86,400 = 5\.79\/s/);
  assert.doesNotMatch(
    stdout,
    /the simplest that holds\n {2}one server\n {2}\+ 1 standby of each database, on a machine of its own\n.*\n\n/,
  );
});

test('what cannot be planned is refused with one line', async () => {
  const directory = scene.directory();
  const write = (name: string, text: string) => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const refused = async (line: RegExp, ...args: string[]) => {
    const ended = await plan(...args);
    assert.equal(ended.code, 1);
    assert.equal(ended.stdout, '');
    assert.match(ended.line, line);
    assert.equal(ended.line.includes('\n'), false);
  };
  await refused(/^workload: .*missing\.yaml cannot be read/, join(directory, 'missing.yaml'));
  await refused(/broken\.yaml: /, write('broken.yaml', 'users: {\n'));
  await refused(/^users\.daily: "many" is not allowed/, write('many.yaml', 'users: { daily: many }\n'));
  const layers = Array.from({ length: 9 }, (_, n) => {
    const name = String.fromCharCode(98 + n);
    const before = `*${String.fromCharCode(97 + n)}`;
    return `${name}: &${name} [${Array.from({ length: 9 }, () => before).join(', ')}]\n`;
  });
  await refused(/bomb\.yaml: it has too many aliases/, write('bomb.yaml', `a: &a [1]\n${layers.join('')}`));
  const links = join(EXAMPLES, 'links.yaml');
  await refused(/^.*none\.json: /, links, '--calibration', write('none.json', '{}'));
  const huge = 'users: { daily: 100000000000 }\ncustom: { app: { write: { perUserPerDay: 1000 } } }\n';
  const out = join(directory, 'loadstone.yaml');
  await refused(/^.* of what it can do; planned are at most 60 %/, write('huge.yaml', huge), '--out', out);
  assert.equal(existsSync(out), false);
});

test('a system from outside is planned by its own model, beside those that come with Loadstone', async () => {
  const notes = join(ROOT, 'examples', 'notes');
  const directory = scene.directory();
  const workload = join(directory, 'both.yaml');
  const [out, file] = [join(directory, 'loadstone.yaml'), join(directory, 'calibration.json')];
  const systems =
    'systems: { links: { redirect: { perUserPerDay: 10 } }, notes: { add: { perUserPerDay: 20 } } }\n';
  writeFileSync(workload, `users: { daily: 1000000 }\npeakFactor: 10\n${systems}`);
  const both = ['--systems', `links,${notes}`];
  const { code, stdout } = await plan(workload, ...both, '--out', out);
  assert.equal(code, 0);
  assert.match(stdout, /^notes$/m);
  assert.match(stdout, /rows as such/);
  const { options, definitions } = await readConfiguration({ config: out }, {});
  assert.deepEqual(options.systems, ['links', notes]);
  assert.deepEqual(
    definitions.map(({ name }) => name),
    ['links', 'notes'],
  );
  const alone = await plan(workload);
  assert.match(
    alone.line,
    /^systems\.notes: is not known here .*; known is links; your own go under custom$/,
  );

  const { defaultCalibration } = await import('#blocks/plan');
  const add = { ...defaultCalibration.routes.create, kneePerS: 20 };
  writeFileSync(file, JSON.stringify({ ...defaultCalibration, systems: { notes: { add } } }));
  const slow = await plan(workload, ...both, '--calibration', file);
  assert.notEqual(slow.stdout, stdout, 'what was measured of its own write counts');
});
