/**
 * What systems stand on, with the queues and the stream of these tests.
 */
import { coreMigrations, startTestCore, type TestCore } from '#fixtures/core';
import type { TestDatabase } from '#fixtures/database';
import type { MutationOptions } from './options.ts';
import type { Mutation } from './request.ts';

export const groundMigrations = coreMigrations;

export const never = () => new AbortController().signal;

export type TestGround = TestCore;

export function startGround(
  it: Pick<TestDatabase, 'database' | 'metrics'>,
  options: Partial<MutationOptions> = {},
  /** Whether its relay may be the one that moves events to the log. */
  isCandidate = true,
): Promise<TestGround> {
  return startTestCore(it, {
    options: { mutation: options },
    streams: [{ name: 'things' }],
    queues: [{ name: 'mail' }, { name: 'small', waitingMax: 1 }],
    isCandidate,
  });
}

/** A mutation of workspace 1, with a key or without. */
export function mutationOf(key?: string, body: unknown = {}): Mutation {
  const keyed = { keyId: 'root', route: 'POST /v1/things', path: '/v1/things', body };
  return {
    placement: { system: 'test', workspaceId: '1', shardKey: 'x' },
    keyed: key === undefined ? undefined : { ...keyed, key },
    traceparent: undefined,
    signal: never(),
  };
}
