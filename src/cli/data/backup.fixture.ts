/**
 * Backups under load, by the real command: what was acknowledged before the stated time is there after everything has been
 * destroyed, and nothing that was asked for after the point of a restore.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { sleep, systemClock } from '#base/clock';
import { type Random, seededRandom } from '#base/random';
import { eventually } from '#base/testing/eventually.fixture';
import { FREE_PORT, type Loadstone, noPostgresIn, type Scene } from '../process.fixture.ts';

export const ROOT_KEY = 'a-root-key-for-the-backup-tests';
/** 32 bytes in base64url, so that the installation needs no file. */
export const MASTER_KEY = Buffer.alloc(32, 9).toString('base64url');
export const BACKUP_KEY = 'a passphrase that is long enough';

const WRITERS = 6;

/** One link: when it was asked for, and when it was acknowledged, by the wall clock of this machine. */
interface Written {
  code: string;
  askedMs: number;
  acknowledgedMs: number;
}

export interface Writing {
  readonly written: readonly Written[];
  /** Resolves when so many more have been acknowledged. */
  more(count: number): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Makes links until told to stop; what fails is not counted.
 * @param pauseMs of each writer between two: all that is written is looked up again, twice
 */
export function write(server: Loadstone, pauseMs = 0): Writing {
  const written: Written[] = [];
  let isStopped = false;
  async function one(writer: number): Promise<void> {
    for (let n = 0; !isStopped; n++) {
      const askedMs = systemClock.nowMs();
      const code = await server.shorten(`https://example.com/${writer}/${n}`).catch(() => undefined);
      if (code !== undefined) written.push({ code, askedMs, acknowledgedMs: systemClock.nowMs() });
      if (pauseMs > 0 || code === undefined) await sleep(systemClock, Math.max(20, pauseMs));
    }
  }
  const writers = Array.from({ length: WRITERS }, (_, writer) => one(writer));
  return {
    written,
    async more(count) {
      const target = written.length + count;
      await eventually(`${count} more links`, () => written.length >= target);
    },
    async stop() {
      isStopped = true;
      await Promise.all(writers);
    },
  };
}

export async function runBackup(
  scene: Scene,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ statedAt: string; name: string; removed: string[] }> {
  const done = await scene.run(['backup', ...args, '--json'], { env });
  assert.equal(done.code, 0, done.stderr);
  return JSON.parse(done.stdout);
}

/** All processes of the installation, and its directory. */
export async function destroy(server: Loadstone, writing: Writing): Promise<void> {
  const ended = server.kill9();
  await writing.stop();
  await ended;
  await noPostgresIn(server.data);
  rmSync(server.data, { recursive: true });
}

export async function restore(
  scene: Scene,
  repository: string,
  args: readonly string[] = [],
  env: Record<string, string> = { LOADSTONE_MASTER_KEY: MASTER_KEY },
): Promise<{ data: string; answer: { statedAt: string; names: string[] } }> {
  const data = join(scene.directory(), 'data');
  const done = await scene.run(['restore', repository, '--data', data, ...args, '--json'], { env });
  assert.equal(done.code, 0, done.stderr);
  return { data, answer: JSON.parse(done.stdout) };
}

export async function assertVerifies(scene: Scene, data: string): Promise<void> {
  const verified = await scene.run(['verify', '--data', data]);
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
}

/** Starts a server on what was restored, and looks each link up where a client would. */
export async function assertHolds(
  scene: Scene,
  data: string,
  written: readonly Written[],
  { until, nothingAfter }: { until: number; nothingAfter?: number },
  args: readonly string[] = ['--data', data, '--listen', FREE_PORT],
): Promise<{ present: number; absent: number }> {
  const env = { LOADSTONE_ROOT_KEY: ROOT_KEY, LOADSTONE_MASTER_KEY: MASTER_KEY };
  const server = await scene.start({ data, key: ROOT_KEY, env, args });
  const present = written.filter(({ acknowledgedMs }) => acknowledgedMs < until);
  const absent = written.filter(({ askedMs }) => askedMs > (nothingAfter ?? Number.POSITIVE_INFINITY));
  for (const { code } of present) assert(await server.follow(code), `${code} was acknowledged, and is lost`);
  for (const { code } of absent) assert.equal(await server.follow(code), undefined, `${code} came later`);
  await server.stop();
  return { present: present.length, absent: absent.length };
}

/**
 * Backups and copies of the log while links are made; then all is destroyed, and restored to the end and to a
 * time in between.
 */
export async function backupDestroyRestore(scene: Scene, seed: number, pauseMs = 0): Promise<void> {
  const random: Random = seededRandom(seed);
  const some = () => 10 + Math.floor(60 * random.fraction());
  const repository = join(scene.directory(), 'backups');
  const env = { LOADSTONE_ROOT_KEY: ROOT_KEY, LOADSTONE_MASTER_KEY: MASTER_KEY };
  const server = await scene.start({ key: ROOT_KEY, env });
  const writing = write(server, pauseMs);
  const back = (...args: string[]) => runBackup(scene, [repository, '--data', server.data, ...args], env);
  await writing.more(some());
  await back();
  await writing.more(some());
  const isLogKept = random.fraction() < 0.5;
  if (isLogKept) await back('--wal');
  await writing.more(some());
  const at = systemClock.nowMs();
  await writing.more(some());
  // Before the first copy of the log nobody keeps what lies between two bases.
  if (isLogKept && random.fraction() < 0.6) await back();
  const { statedAt } = await back('--wal');
  await writing.more(some());
  await destroy(server, writing);

  const toTheEnd = async () => {
    const { data, answer } = await restore(scene, repository);
    assert.equal(answer.statedAt, statedAt);
    await assertVerifies(scene, data);
    return assertHolds(scene, data, writing.written, { until: Date.parse(statedAt) });
  };
  const toTheTime = async () => {
    const { data } = await restore(scene, repository, ['--at', new Date(at).toISOString()]);
    return assertHolds(scene, data, writing.written, { until: at, nothingAfter: at });
  };
  const [whole, part] = await Promise.all([toTheEnd(), toTheTime()]);
  assert(part.present > 0 && part.absent > 0 && whole.present > part.present, 'the times lie in between');
}
