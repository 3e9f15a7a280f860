/**
 * The package as it would be published, unpacked beside its dependencies in a directory that has nothing else.
 */
import assert from 'node:assert/strict';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { packTarball, servesAll, type Tarball, unpackInto, writeSystems } from './pack.fixture.ts';
import { createScene, FREE_PORT, ROOT } from './process.fixture.ts';

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
    for (const path of ['README.md', 'LICENSE', 'CHANGELOG.md', 'package.json', 'bin/loadstone.mjs'])
      assert(paths.includes(path), path);
    for (const path of ['index.js', 'index.d.ts', 'cli/main.js', 'package.json'])
      assert(paths.includes(`dist/${path}`), path);
    assert(paths.some((path) => /^dist\/systems\/links\/migrations\/0001_\w+\.sql$/.test(path)));
    assert.deepEqual(
      paths.filter(
        (path) =>
          !/^(bin|dist)\/|^[A-Z]+(\.md)?$|^package\.json$/.test(path) ||
          /[./](test|suite|long|fixture|bench)\./.test(path) ||
          (path.endsWith('.ts') && !path.endsWith('.d.ts')),
      ),
      [],
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

  test('has types that a system in TypeScript is checked by', async () => {
    cpSync(join(ROOT, 'examples', 'notes', 'index.ts'), join(project, 'checked.mts'));
    writeFileSync(
      join(project, 'wrong.mts'),
      "import { defineSystem, optionsSchema } from 'loadstone';\n" +
        "export default defineSystem({ name: 5, summary: '', options: optionsSchema({}), create: () => ({ routes: [] }) });\n",
    );
    const check = (file: string) =>
      scene.run(
        [
          join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'),
          ...[
            '--ignoreConfig',
            '--noEmit',
            '--strict',
            '--skipLibCheck',
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
            file,
          ],
        ],
        { command: [process.execPath], cwd: project },
      );
    const right = await check('checked.mts');
    assert.deepEqual([right.code, right.stdout], [0, '']);
    assert.match((await check('wrong.mts')).stdout, /^wrong\.mts\(2,\d+\): error TS2322/);
  });
});
