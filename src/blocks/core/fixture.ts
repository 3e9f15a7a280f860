/**
 * What systems stand on, on the database of a test. Tests of any block import this as `#fixtures/core`, also those of which
 * it is made.
 */
import { systemClock } from '#base/clock';
import { silentLog } from '#base/log';
import { createMasterKey } from '#base/master-key';
import { parseOptions } from '#base/options';
import { systemRandom } from '#base/random';
import { createTracer } from '#base/trace';
import { idempotencyOptions } from '#blocks/idempotency';
import { idsOptions } from '#blocks/ids';
import { mutationOptions } from '#blocks/mutation';
import { outboxOptions } from '#blocks/outbox';
import { queueOptions } from '#blocks/queue';
import { streamOptions } from '#blocks/stream';
import { wakeupOptions } from '#blocks/wakeup';
import type { TestDatabase } from '#fixtures/database';
import { type Core, type CoreDeps, type CoreOptions, createCore } from './core.ts';

export { coreMigrations } from './core.ts';

/** Any of the deps, and any of the options; the rest is as in a server that runs no system. */
export interface TestCoreSettings extends Partial<CoreDeps> {
  options?: { [Name in keyof CoreOptions]?: Partial<CoreOptions[Name]> };
}

export interface TestCore extends Omit<Core, 'stop'> {
  /** Lets what is under way end. */
  stop(): Promise<void>;
}

const never = new AbortController().signal;

/** Not started; those of one database have one master key. */
export function createTestCore(
  { database, metrics }: Pick<TestDatabase, 'database' | 'metrics'>,
  { options = {}, ...deps }: TestCoreSettings = {},
): Core {
  const parsed = {
    wakeup: parseOptions(wakeupOptions, options.wakeup ?? {}),
    ids: parseOptions(idsOptions, options.ids ?? {}),
    stream: parseOptions(streamOptions, options.stream ?? {}),
    outbox: parseOptions(outboxOptions, options.outbox ?? {}),
    queue: parseOptions(queueOptions, options.queue ?? {}),
    idempotency: parseOptions(idempotencyOptions, options.idempotency ?? {}),
    mutation: parseOptions(mutationOptions, options.mutation ?? {}),
  };
  return createCore(parsed, {
    ...{ clock: systemClock, random: systemRandom, log: silentLog, metrics, database },
    tracer: createTracer(systemRandom),
    masterKey: createMasterKey(Buffer.alloc(32, 7), systemRandom),
    ...{ streams: [], queues: [], schedules: [], systems: [] },
    ...deps,
  });
}

export async function startTestCore(
  it: Pick<TestDatabase, 'database' | 'metrics'>,
  settings: TestCoreSettings = {},
): Promise<TestCore> {
  const core = createTestCore(it, settings);
  await core.start(never);
  return { ...core, stop: () => core.stop(never) };
}
