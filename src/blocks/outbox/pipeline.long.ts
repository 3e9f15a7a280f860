/**
 * The long run of pipeline.sim.test.ts: more histories, and longer ones; and proof that histories like these find what
 * breaks the promises. LOADSTONE_SEED repeats a run, LOADSTONE_RUNS sets the number of histories.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Sql, sql } from '#blocks/database';
import type { StreamInfo, StreamStore } from '#blocks/stream';
import { startHistories } from './histories.fixture.ts';
import { startPipelineDatabase } from './pipeline.fixture.ts';
import { history } from './steps.fixture.ts';

const SEED = Number(process.env.LOADSTONE_SEED ?? 1);
const RUNS = Number(process.env.LOADSTONE_RUNS ?? 10_000);
const STEPS_MAX = 40;
const BROKEN_RUNS = 2000;
/** Shrinking what was found ends here, with the shortest history so far. */
const MS_MAX = 50 * 60_000;

test(`${RUNS} histories`, async (t) => {
  t.diagnostic(`seed ${SEED}`);
  const histories = await startHistories(await startPipelineDatabase());
  t.after(histories.stop);
  const property = fc.asyncProperty(history(STEPS_MAX), histories.run);
  const limit = { interruptAfterTimeLimit: MS_MAX, markInterruptAsFailure: true };
  await fc.assert(property, { seed: SEED, numRuns: RUNS, ...limit });
});

type GroupStore = ReturnType<StreamStore['group']>;
type AsideStore = ReturnType<StreamStore['aside']>;

const withAside = (breakIt: (aside: AsideStore) => AsideStore) => (store: StreamStore) => ({
  ...store,
  aside: (...of: Parameters<StreamStore['aside']>) => breakIt(store.aside(...of)),
});

/** A store that moves partitions on, but compares less than it should. */
const advancing = (condition: Sql) => (store: StreamStore) => ({
  ...store,
  group(stream: StreamInfo, name: string): GroupStore {
    const advance: GroupStore['advance'] = async (tx, moves) => {
      for (const { partition, epoch, to } of moves) {
        await tx.run(sql`
          update core.stream_offsets set position = ${to}
          where stream_id = ${stream.streamId} and group_name = ${name} and partition = ${partition}
            and (epoch = ${epoch} or ${condition})`);
      }
    };
    return { ...store.group(stream, name), advance };
  },
});

const broken: Record<string, (store: StreamStore) => StreamStore> = {
  'moves on whoever asks': advancing(sql`true`),
  'compares the epoch but not the position': advancing(sql`false`),
  'forgets which keys are set aside': withAside((aside) => ({
    ...aside,
    load: async () => ({ keys: [], events: new Map() }),
  })),
  'hands out an event that was set aside again': withAside((aside) => ({ ...aside, done: async () => {} })),
  'skips an event in a hundred': (store) => ({
    ...store,
    async read(...args) {
      const { events, isWhole } = await store.read(...args);
      return { events: events.filter(({ id }) => Number(id) % 100 !== 0), isWhole };
    },
  }),
};

for (const [fault, breakIt] of Object.entries(broken)) {
  test(`histories find a store that ${fault}`, async (t) => {
    const histories = await startHistories(await startPipelineDatabase(), breakIt);
    t.after(histories.stop);
    const property = fc.asyncProperty(history(STEPS_MAX), histories.run);
    const found = await fc.check(property, { seed: SEED, numRuns: BROKEN_RUNS, endOnFailure: true });
    assert.equal(found.failed, true, 'nothing was found');
  });
}
