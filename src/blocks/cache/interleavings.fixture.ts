/**
 * Seeded interleavings of readers, writers and invalidations over an origin whose history is known, to look for stale fills: a
 * value kept after a change was told that it does not show.
 *
 * Origin: each key has a version that grows at each commit. A load reads at some moment between its begin and its end, from
 * the primary or from a replica that lags; a replica is asked only when the load does not ask for a version beyond it.
 */
import { createManualClock } from '#base/clock';
import { type Random, seededRandom } from '#base/random';
import { optionsOf } from './cache.fixture.ts';
import { createCache } from './cache.ts';
import type { Loaded } from './entries.ts';
import type { LoadCall } from './loads.ts';

interface Value {
  key: string;
  version: number;
}

interface UnderWay {
  step(): void;
}

export interface Findings {
  reads: number;
  hits: number;
  voided: number;
  stale: string[];
}

const KEYS = ['a', 'b', 'c'];
const tagOf = (key: string) => (key === 'c' ? 'u' : 't');

const isStep = (work: UnderWay | undefined): work is UnderWay => work !== undefined;
const pick = <T>(random: Random, of: readonly T[]): T => of[Math.floor(random.fraction() * of.length)] as T;

/** The origin: commits, and reads that take their time. */
function createOrigin(random: Random, underWay: UnderWay[]) {
  const versions = new Map(KEYS.map((key) => [key, 0]));
  const replica = new Map(versions);
  let replayed = 0;
  let committed = 0;
  return {
    version: (key: string) => versions.get(key) ?? 0,
    commit(key: string): number {
      committed += 1;
      versions.set(key, committed);
      return committed;
    },
    replay(): void {
      for (const [key, version] of versions) replica.set(key, version);
      replayed = committed;
    },
    load(key: string, { atLeast }: LoadCall): Promise<Loaded<Value>> {
      const { promise, resolve } = Promise.withResolvers<Loaded<Value>>();
      const usesReplica = random.fraction() < 0.5;
      let read: Value | undefined;
      underWay.push({
        step() {
          if (read === undefined) {
            // The replica may be asked only when it has got there.
            const from = usesReplica && replayed >= atLeast ? replica : versions;
            read = { key, version: from.get(key) ?? 0 };
            underWay.push(this);
          } else resolve({ value: read, tags: [tagOf(key)] });
        },
      });
      return promise;
    },
    write(key: string): Promise<{ version: number }> {
      const { promise, resolve } = Promise.withResolvers<{ version: number }>();
      const commit = () => this.commit(key);
      let version: number | undefined;
      underWay.push({
        step() {
          if (version === undefined) {
            version = commit();
            underWay.push(this);
          } else resolve({ version });
        },
      });
      return promise;
    },
  };
}

/** One history. What a cache gives for a key is never older than the last change of it that the cache was told of. */
export async function runInterleaving(seed: number, steps: number): Promise<Findings> {
  const random = seededRandom(seed);
  const clock = createManualClock();
  const underWay: UnderWay[] = [];
  const origin = createOrigin(random, underWay);
  const told = new Map<string, number>();
  const tell = (key: string, version: number) => told.set(key, Math.max(version, told.get(key) ?? 0));
  const findings: Findings = { reads: 0, hits: 0, voided: 0, stale: [] };
  const cache = createCache<Value>(optionsOf({ policy: 'lru', entriesMax: 2, refreshAheadShare: 0.5 }), {
    name: 'tested',
    clock,
    random,
    load: origin.load,
    async write(batch) {
      const [{ key, value }] = batch as [{ key: string; value: Value }];
      const answer = await origin.write(key);
      value.version = answer.version;
      return { version: answer.version, tags: [tagOf(key)] };
    },
  });

  function look(value: Value | undefined, least: number, how: string): void {
    if (value === undefined) return;
    if (value.version < least)
      findings.stale.push(`seed ${seed}: ${how} ${value.key}: ${value.version} < ${least}`);
  }

  function read(): void {
    const key = pick(random, KEYS);
    const least = told.get(key) ?? 0;
    findings.reads += 1;
    const answer = cache.read(key);
    if (answer instanceof Promise) void answer.then((value) => look(value, least, 'read'));
    else {
      findings.hits += 1;
      look(answer, least, 'hit');
    }
  }

  function change(): void {
    const key = pick(random, KEYS);
    const version = origin.commit(key);
    const way = random.fraction();
    // Told at some later moment, as the log does.
    underWay.push({
      step() {
        const isVersioned = random.fraction() < 0.7;
        // Without a version nobody knows how far a replica must have come: then it has.
        if (!isVersioned) origin.replay();
        const named = isVersioned ? version : undefined;
        if (way < 0.6) void cache.invalidate([key], named);
        else if (way < 0.9) void cache.invalidateTags([tagOf(key)], named);
        else void cache.clear(named);
        tell(key, version);
      },
    });
  }

  async function write(): Promise<void> {
    const key = pick(random, KEYS);
    const value = { key, version: 0 };
    const isKept = random.fraction() < 0.6;
    await (isKept ? cache.writeThrough(key, value) : cache.writeAround(key, value));
    tell(key, value.version);
  }

  const actions = [read, read, read, change, () => void write(), origin.replay, () => clock.advance(200)];
  for (let n = 0; n < steps; n++) {
    if (underWay.length > 0 && random.fraction() < 0.55) {
      const [work] = underWay.splice(Math.floor(random.fraction() * underWay.length), 1);
      if (isStep(work)) work.step();
    } else pick(random, actions)();
    // What can go on goes on, sometimes only a little.
    for (let turns = Math.floor(random.fraction() * 8); turns > 0; turns--) await undefined;
  }
  while (underWay.length > 0) {
    underWay.shift()?.step();
    for (let turns = 0; turns < 20; turns++) await undefined;
  }
  findings.voided = cache.counts().voided;
  return findings;
}
