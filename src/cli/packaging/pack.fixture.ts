/**
 * The published package, made as `npm pack` makes it.
 */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Loadstone, ROOT, type Scene } from '../process.fixture.ts';

/** What packing reads; the rest of a checkout is not needed for it. */
const SOURCES = [
  'bench',
  'bin',
  'deploy',
  'docs',
  'examples',
  'src',
  'tidy',
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'LICENSE',
  'README.md',
  'package-lock.json',
  'package.json',
  'tsconfig.json',
];

export interface Tarball {
  file: string;
  /** The paths in it. */
  paths: string[];
}

/** Packs a copy of the sources, so that the checkout's own `dist` stays as it is. */
export async function packTarball(scene: Scene): Promise<Tarball> {
  const [copy, destination] = [scene.directory(), scene.directory()];
  for (const source of SOURCES) cpSync(join(ROOT, source), join(copy, source), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  const { code, stdout, stderr } = await scene.run(['pack', '--json', '--pack-destination', destination], {
    command: ['npm'],
    cwd: copy,
    // It compiles everything, beside whatever else the machine does.
    boundMs: 180_000,
  });
  assert.equal(code, 0, stderr);
  const [packed] = JSON.parse(stdout) as { filename: string; files: { path: string }[] }[];
  assert(packed);
  return { file: join(destination, packed.filename), paths: packed.files.map(({ path }) => path) };
}

/** Unpacks the tarball into a project, beside the dependencies that this checkout has installed. */
export async function unpackInto(scene: Scene, project: string, { file }: Tarball): Promise<string> {
  const place = join(project, 'node_modules', 'loadstone');
  mkdirSync(place, { recursive: true });
  const { code, stderr } = await scene.run(['-xzf', file, '--strip-components=1', '-C', place], {
    command: ['tar'],
  });
  assert.equal(code, 0, stderr);
  const { dependencies, optionalDependencies } = JSON.parse(
    readFileSync(join(place, 'package.json'), 'utf8'),
  );
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
    const link = join(project, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), link);
  }
  return place;
}

const PING = `
import { optionsSchema, Type } from 'loadstone';
import { defineRoute, defineSystem, handleRoute } from 'loadstone/system';
const ping = defineRoute({
  method: 'GET',
  path: '/v1/ping',
  id: 'ping',
  summary: 'Answer',
  access: 'public',
  replies: { 200: Type.Object({ pong: Type.Boolean() }) },
});
export default defineSystem({
  name: 'ping',
  summary: 'Answers.',
  options: optionsSchema({}),
  create: () => ({ routes: [handleRoute(ping, async () => ({ status: 200, body: { pong: true } }))] }),
});
`;

/** Systems of one's own, the examples in TypeScript and one in JavaScript, and a configuration that names them. */
export function writeSystems(project: string): void {
  for (const example of ['notes', 'orders'])
    cpSync(join(ROOT, 'examples', example), join(project, example), { recursive: true });
  writeFileSync(join(project, 'ping.mjs'), PING);
  writeFileSync(join(project, 'loadstone.yaml'), 'systems: [links, ./notes, ./orders, ./ping.mjs]\n');
}

/** A link and all systems of `writeSystems` work. */
export async function servesAll(server: Loadstone): Promise<void> {
  const code = await server.shorten('https://example.com/packed');
  assert.equal(await server.follow(code), 'https://example.com/packed');
  const added = await server.request('/v1/notes', { method: 'POST', body: { text: 'packed' } });
  assert.equal(added.status, 201);
  assert.match(await (await server.request('/v1/notes')).text(), /"text":"packed"/);
  const product = await server.request('/v1/products', { method: 'POST', body: { name: 'tea', stock: 1 } });
  const { id: productId } = (await product.json()) as { id: string };
  const buy = () =>
    server.request('/v1/orders', { method: 'POST', body: { productId, quantity: 1, reference: 'packed' } });
  assert.deepEqual([(await buy()).status, (await buy()).status], [201, 409]);
  assert.deepEqual(await (await server.request('/v1/ping')).json(), { pong: true });
  assert.equal((await server.request('/docs')).status, 200);
}
