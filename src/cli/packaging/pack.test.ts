/**
 * The package as it would be published, unpacked beside its dependencies in a directory that has nothing else.
 */
import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createScene, FREE_PORT, ROOT } from '../process.fixture.ts';
import { packTarball, servesAll, type Tarball, unpackInto, writeSystems } from './pack.fixture.ts';

describe('npm pack', () => {
  const scene = createScene({ after });
  let tarball: Tarball;
  let project: string;
  let place: string;

  before(async () => {
    tarball = await packTarball(scene);
    project = scene.directory();
    place = await unpackInto(scene, project, tarball);
  });

  test('holds the program compiled, and neither sources nor tests', () => {
    const { paths } = tarball;
    for (const path of [
      'README.md',
      'LICENSE',
      'docs/options.md',
      'examples/notes/index.ts',
      'examples/orders/index.ts',
      'bin/loadstone.mjs',
    ])
      assert(paths.includes(path), path);
    for (const path of ['index.js', 'index.d.ts', 'cli/main.js', 'package.json'])
      assert(paths.includes(`dist/${path}`), path);
    assert(paths.some((path) => /^dist\/systems\/links\/migrations\/0001_\w+\.sql$/.test(path)));
    const shipped =
      /^(bin|deploy|dist|docs|examples|bench\/peers)\/|^bench\/(results\/\w+|README)\.md$|^[A-Z]+(\.md)?$|^package\.json$/;
    const isSource = (path: string) => path.endsWith('.ts') && !path.endsWith('.d.ts');
    assert.deepEqual(
      paths.filter(
        (path) =>
          !shipped.test(path) ||
          /[./](test|suite|long|fixture|bench)\.(js|ts|d\.ts)$/.test(path) ||
          (isSource(path) && !/^(examples|bench)\//.test(path)),
      ),
      [],
    );
  });

  test('tells its version', async () => {
    const { version } = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8')) as { version: string };
    for (const flag of ['--version', '-V']) {
      const { code, stdout } = await scene.run([join(place, 'bin', 'loadstone.mjs'), flag], {
        command: [process.execPath],
        cwd: project,
      });
      assert.deepEqual([code, stdout], [0, `loadstone ${version}\n`], flag);
    }
  });

  test('serves the example as it lies there copied, and says why not in its place', async () => {
    cpSync(join(place, 'examples', 'notes'), join(project, 'copied'), { recursive: true });
    const start = (system: string) =>
      scene.run(['start', '--listen', FREE_PORT, '--systems', `links,${system},nothing`], {
        command: [process.execPath, join(place, 'bin', 'loadstone.mjs')],
        cwd: project,
      });
    assert.match((await start('./copied')).stderr, /"nothing" is not known/);
    assert.match(
      (await start('./node_modules/loadstone/examples/notes')).stderr,
      /cannot be loaded: it is TypeScript under node_modules, .*: compile it, or copy it to a directory of your own$/m,
    );
  });

  test('serves links, and systems of one’s own in TypeScript and in JavaScript', async () => {
    writeSystems(project);
    const server = await scene.start({
      command: [process.execPath, join(place, 'bin', 'loadstone.mjs')],
      cwd: project,
      data: join(project, 'data'),
      args: ['--listen', FREE_PORT],
    });
    assert.match(server.stdout(), /^ +\d+\.\d s {2}starting Postgres\n/);
    await servesAll(server);
    assert.deepEqual(await server.stop(), { code: 0, signal: null });
  });

  test('exports all that its manifest names, compiled and with types', async () => {
    const { exports } = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8')) as {
      exports: Record<string, { types?: string }>;
    };
    const names = Object.keys(exports).filter((name) => exports[name]?.types !== undefined);
    assert(names.includes('./queue') && names.includes('./database'));
    for (const name of names) assert(tarball.paths.includes(exports[name]?.types?.slice(2) ?? ''), name);
    const script = `for (const name of ${JSON.stringify(names)}) {
      const all = await import('loadstone' + name.slice(1));
      if (Object.keys(all).length === 0) throw new Error(name);
    }`;
    const { code, stderr } = await scene.run(['--input-type=module', '--eval', script], {
      command: [process.execPath],
      cwd: project,
    });
    assert.deepEqual([code, stderr], [0, '']);
  });

  test('has types that a system in TypeScript is checked by', async () => {
    for (const example of ['notes', 'orders'])
      cpSync(join(ROOT, 'examples', example), join(project, 'checked', example), { recursive: true });
    writeFileSync(join(project, 'checked', 'package.json'), '{ "type": "module" }\n');
    writeFileSync(
      join(project, 'checked', 'blocks.ts'),
      "export { createLimiter } from 'loadstone/limiter';\n",
    );
    writeFileSync(
      join(project, 'wrong.mts'),
      "import { defineSystem, optionsSchema } from 'loadstone';\n" +
        "export default defineSystem({ name: 5, summary: '', options: optionsSchema({}), create: () => ({ routes: [] }) });\n",
    );
    const check = (...files: string[]) =>
      scene.run(
        [
          join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'),
          ...[
            '--ignoreConfig',
            '--noEmit',
            '--strict',
            '--skipLibCheck',
            '--allowImportingTsExtensions',
            '--module',
            'nodenext',
            '--target',
            'es2024',
          ],
          ...[
            '--pretty',
            'false',
            '--typeRoots',
            join(ROOT, 'node_modules', '@types'),
            '--types',
            'node',
            ...files,
          ],
        ],
        { command: [process.execPath], cwd: project },
      );
    const right = await check('checked/notes/index.ts', 'checked/orders/index.ts', 'checked/blocks.ts');
    assert.deepEqual([right.code, right.stdout], [0, '']);
    assert.match((await check('wrong.mts')).stdout, /^wrong\.mts\(2,\d+\): error TS2322/);
  });
});
