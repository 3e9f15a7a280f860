/**
 * What may happen to a pipeline, as steps of a random history.
 */
import fc from 'fast-check';
import type { Fate } from './pipeline.fixture.ts';

export const PROCESSES = 2;
export const LEASE_MS = 5000;
const KEYS = 5;

export type Step =
  /** A transaction writes events, and is committed, aborted, or left open while others go on. */
  | { kind: 'write'; key: number; events: number; end: 'commit' | 'abort' | 'open'; wakes: number }
  | { kind: 'end'; how: 'commit' | 'abort' }
  | { kind: 'pass'; process: number; ms: number }
  | { kind: 'wake'; process: number }
  | { kind: 'fates'; process: number; of: 'outbox' | 'stream'; fates: Fate[] }
  | { kind: 'release'; process: number }
  | { kind: 'kill'; process: number }
  | { kind: 'restart'; process: number }
  | { kind: 'consumer'; process: number; isWanted: boolean }
  | { kind: 'refuse'; key: number; times: number }
  | { kind: 'redrive' }
  | { kind: 'discard' }
  | { kind: 'turns'; count: number };

const process = fc.nat(PROCESSES - 1);
const key = fc.nat(KEYS - 1);
const fates = fc.array(fc.constantFrom<Fate>('fail', 'lost', 'late', 'before', 'inside'), {
  minLength: 1,
  maxLength: 3,
});
const kind = <K extends Step['kind']>(name: K) => fc.constant(name);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: kind('write'),
      key,
      events: fc.integer({ min: 1, max: 4 }),
      end: fc.constantFrom('commit', 'commit', 'commit', 'abort', 'open'),
      wakes: process,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: kind('end'), how: fc.constantFrom('commit', 'commit', 'abort') }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ kind: kind('pass'), process, ms: fc.constantFrom(20, 20, 1000, 1000, LEASE_MS) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: kind('wake'), process }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: kind('fates'), process, of: fc.constantFrom('outbox', 'stream'), fates }),
  },
  { weight: 3, arbitrary: fc.record({ kind: kind('release'), process }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('kill'), process }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('restart'), process }) },
  { weight: 3, arbitrary: fc.record({ kind: kind('consumer'), process, isWanted: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: kind('refuse'), key, times: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('redrive') }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('discard') }) },
  { weight: 8, arbitrary: fc.record({ kind: kind('turns'), count: fc.integer({ min: 1, max: 12 }) }) },
);

export const history = (lengthMax: number) =>
  fc.array(step, { minLength: 5, maxLength: lengthMax, size: 'max' });
