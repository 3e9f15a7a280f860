/**
 * A test installation, and the drill pointed at it.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Exit, FREE_PORT, type Loadstone, type Scene } from './process.fixture.ts';
import { childrenOf, serving } from './supervisor/processes.fixture.ts';

export const ROOT_KEY = 'a-root-key-of-a-test-installation';
const RUN_BOUND_MS = 120_000;
const FAULTS = '{ "points": {} }';

export interface TestInstallation {
  server: Loadstone;
  /** Codes of links that are there before any drill, and where they lead. */
  links: ReadonlyMap<string, string>;
  /** Nothing of what was there before has changed, but for a process that has been replaced. */
  isAsBefore(): Promise<void>;
}

/** Of two processes, with four links, one of which has a job that is due long after any drill. */
export async function startTestInstallation(scene: Scene): Promise<TestInstallation> {
  const directory = scene.directory();
  const [faults, data] = [join(directory, 'faults.json'), join(directory, 'data')];
  writeFileSync(faults, FAULTS);
  const server = await scene.start({
    data,
    args: ['--data', data, '--listen', FREE_PORT, '--processes', '2'],
    key: ROOT_KEY,
    env: { LOADSTONE_FAULTS: faults, LOADSTONE_ROOT_KEY: ROOT_KEY },
  });
  const links = new Map<string, string>();
  for (const n of [1, 2, 3]) {
    const url = `https://example.com/${n}`;
    links.set(await server.shorten(url), url);
  }
  const body = { url: 'https://example.com/expiring', ttl: 86_400 };
  assert.equal((await server.request('/v1/links', { method: 'POST', body })).status, 201);
  const children = new Set(childrenOf(server).values());
  return {
    server,
    links,
    async isAsBefore() {
      assert(!server.hasExited());
      await serving(server, 2);
      assert([...childrenOf(server).values()].some((child) => !children.has(child)));
      for (const [code, url] of links) assert.equal(await server.follow(code), url);
      assert.equal(readFileSync(faults, 'utf8'), FAULTS);
    },
  };
}

interface Result {
  checks: { claim: string; passed: boolean; detail: string; isTimed?: true }[];
  acknowledged: number;
  found: number;
}

export function drillAt(
  scene: Scene,
  data: string,
  args: readonly string[],
  key = ROOT_KEY,
): Promise<Exit & { stdout: string; stderr: string }> {
  return scene.run(['drill', ...args, '--data', data], {
    env: { LOADSTONE_ROOT_KEY: key },
    boundMs: RUN_BOUND_MS,
  });
}

/** A drill in which nothing was lost. @returns what it says of the links that were there before it */
export async function drillWell(scene: Scene, data: string, args: readonly string[]): Promise<string> {
  const report = join(scene.directory(), 'result.json');
  const { code, stderr, stdout } = await drillAt(scene, data, [...args, '--json', report]);
  assert([0, 1, 4].includes(code ?? -1), `it ended with ${code}: ${stderr}${stdout}`);
  const { checks, acknowledged, found } = JSON.parse(readFileSync(report, 'utf8')) as Result;
  // How long things take is the machine's own.
  const failed = checks.filter(({ passed, isTimed }) => !passed && !isTimed);
  assert.deepEqual(failed, []);
  assert(acknowledged > 100 && acknowledged === found);
  return checks.find(({ claim }) => /was there before/.test(claim))?.detail ?? '';
}
