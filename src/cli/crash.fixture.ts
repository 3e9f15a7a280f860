/**
 * The server killed in the middle of writes, and started again without a hand.
 */
import assert from 'node:assert/strict';
import { sleep, systemClock } from '#base/clock';
import { type Random, seededRandom, systemRandom } from '#base/random';
import { type Loadstone, noPostgresIn, type Scene } from './process.fixture.ts';

const KEY = 'a-root-key-for-the-crash-tests';
const WRITERS = 16;
/** From the first acknowledged link of a round to its kill. */
const WRITING_MS = { min: 5, max: 600 };
/** From the spawn of a server that is not to become ready to its kill. */
const STARTING_MS = { min: 0, max: 900 };
/** No Postgres of a killed server may be left when the next round begins; in other rounds the next start meets it. */
const WAIT_SHARE = 0.5;
const KILLED_STARTS_SHARE = 0.3;

/** The seed of a run: LOADSTONE_SEED, or a new one. */
export function readSeed(): number {
  const given = process.env.LOADSTONE_SEED;
  return given === undefined ? systemRandom.bytes(4).readUInt32LE() : Number(given);
}

function between({ min, max }: { min: number; max: number }, random: Random): number {
  return min + (max - min) * random.fraction();
}

export interface CrashRun {
  /** Every link that was acknowledged: where its code leads. */
  acknowledged: Map<string, string>;
  /** Starts, writes, kills, and sees that what earlier rounds acknowledged is there. */
  round(): Promise<void>;
  /** The last start: everything of all rounds is there. */
  finish(): Promise<void>;
}

export function createCrashRun(scene: Scene, data: string, seed: number): CrashRun {
  const random = seededRandom(seed);
  const acknowledged = new Map<string, string>();
  const env = { LOADSTONE_ROOT_KEY: KEY };
  let unchecked: string[] = [];
  let links = 0;

  async function write(server: Loadstone, isFirst: () => void): Promise<void> {
    for (;;) {
      const url = `https://example.com/${++links}`;
      const [path, body] =
        links % 2 === 0 ? ['/v1/shorten', { url }] : ['/v1/links', { url, alias: `alias-${links}` }];
      // The kill is what ends this: then nothing was acknowledged.
      const reply = await server
        .request(path as string, { method: 'POST', body })
        .then(async (response) => ({
          status: response.status,
          link: (await response.json()) as { code: string },
        }))
        .catch(() => undefined);
      if (reply === undefined) return;
      assert.equal(reply.status, 201, JSON.stringify(reply.link));
      assert(!acknowledged.has(reply.link.code), `${reply.link.code} was given out before`);
      acknowledged.set(reply.link.code, url);
      unchecked.push(reply.link.code);
      isFirst();
    }
  }

  async function check(server: Loadstone, codes: readonly string[]): Promise<void> {
    const left = [...codes];
    const lost: string[] = [];
    await Promise.all(
      Array.from({ length: WRITERS }, async () => {
        for (let code = left.pop(); code !== undefined; code = left.pop()) {
          if ((await server.follow(code)) !== acknowledged.get(code)) lost.push(code);
        }
      }),
    );
    assert.deepEqual(lost, [], `lost with seed ${seed}`);
  }

  async function killStart(): Promise<void> {
    const running = scene.spawn(['start', '--data', data, '--listen', '127.0.0.1:0'], { env });
    await sleep(systemClock, between(STARTING_MS, random));
    process.kill(running.pid, 'SIGKILL');
    await running.exited();
  }

  async function afterKill(): Promise<void> {
    if (random.fraction() < WAIT_SHARE) await noPostgresIn(data);
  }

  const start = () => scene.start({ data, key: KEY, env });

  return {
    acknowledged,
    async round() {
      if (random.fraction() < KILLED_STARTS_SHARE) {
        await killStart();
        await afterKill();
      }
      const server = await start();
      const before = unchecked;
      unchecked = [];
      await check(server, before);
      const { promise: first, resolve: isFirst } = Promise.withResolvers<void>();
      const writers = Promise.all(Array.from({ length: WRITERS }, () => write(server, isFirst)));
      await Promise.race([first, writers]);
      await sleep(systemClock, between(WRITING_MS, random));
      await server.kill9();
      await writers;
      await afterKill();
    },
    async finish() {
      await noPostgresIn(data);
      const server = await start();
      await check(server, [...acknowledged.keys()]);
      assert.deepEqual(await server.stop(), { code: 0, signal: null });
      await noPostgresIn(data);
    },
  };
}
