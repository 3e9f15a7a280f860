import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diagnose, doctorLimits } from './diagnose.ts';
import type { Finding } from './finding.ts';
import { makeHolder } from './holder.fixture.ts';
import { makeObservations } from './observations.fixture.ts';
import type { Observations, TableRows } from './observations.ts';

const LIMITS = { warnAgeMs: 60_000, warnAgeTransactions: 1_000_000 };

function diagnosed(given: Partial<Observations>): Finding[] {
  return diagnose(makeObservations(given), LIMITS);
}

function bad(given: Partial<Observations>): [string, string][] {
  return diagnosed(given)
    .filter(({ severity }) => severity !== 'ok')
    .map(({ id, severity }) => [id, severity]);
}

const known = <T>(value: T) => ({ kind: 'known' as const, value });

test('a healthy database has one ok finding of each check, in order', () => {
  const findings = diagnosed({});
  assert.deepEqual(
    findings.map(({ id }) => id),
    [
      'oldest_snapshot',
      'session_details',
      'dead_rows',
      'id_wraparound',
      'id_wraparound:multixacts',
      'settings',
      'connections',
      'invalid_indexes',
      'disk_use',
    ],
  );
  assert(findings.every(({ severity }) => severity === 'ok'));
});

test('an old snapshot is a warning at its limit, and a problem at ten times that', () => {
  const of = (given: Parameters<typeof makeHolder>[0]) => bad({ holders: known([makeHolder(given)]) });
  assert.deepEqual(of({ ageMs: 59_999 }), []);
  assert.deepEqual(of({ ageMs: 60_000 }), [['oldest_snapshot', 'warning']]);
  assert.deepEqual(of({ ageMs: 600_000 }), [['oldest_snapshot', 'problem']]);
  assert.deepEqual(of({ ageMs: undefined, ageTransactions: 1_000_000 }), [['oldest_snapshot', 'warning']]);
  assert.deepEqual(of({ ageTransactions: 10_000_000 }), [['oldest_snapshot', 'problem']]);
  assert.deepEqual(of({ ageMs: 600_000, holds: 'shared_catalogs' }), []);
  assert.deepEqual(of({ ageMs: 60_000, holds: 'catalogs' }), [['oldest_snapshot:catalogs', 'warning']]);
});

test('dead rows are a warning when vacuum is due, and a problem when it does not keep up', () => {
  const table: TableRows = {
    name: 'core.jobs',
    liveRows: 5000,
    deadRows: 10_000,
    vacuumAgeMs: 600_000,
    isAutovacuumOff: false,
  };
  const of = (given: Partial<TableRows>) => bad({ tables: known([{ ...table, ...given }]) });
  assert.deepEqual(of({}), [['dead_rows:core.jobs', 'warning']]);
  assert.deepEqual(of({ vacuumAgeMs: undefined }), [['dead_rows:core.jobs', 'warning']]);
  assert.deepEqual(of({ vacuumAgeMs: 599_999 }), []);
  assert.deepEqual(of({ deadRows: 9999 }), []);
  assert.deepEqual(of({ liveRows: 10_001 }), []);
  const behind = { deadRows: 1_000_000, liveRows: 100_000, vacuumAgeMs: 1000 };
  assert.deepEqual(of(behind), [['dead_rows:core.jobs', 'problem']]);
  assert.deepEqual(of({ ...behind, liveRows: 100_001 }), []);
  assert.deepEqual(of({ deadRows: 0, isAutovacuumOff: true }), [['autovacuum_off:core.jobs', 'warning']]);
});

test('ids that run out are a warning at 500 million and a problem at 1,000 million', () => {
  const of = (ageTransactions: number, ageMultixacts = 0) =>
    bad({ ages: known([{ database: 'shop', ageTransactions, ageMultixacts }]) });
  assert.deepEqual(of(499_999_999), []);
  assert.deepEqual(of(500_000_000), [['id_wraparound', 'warning']]);
  assert.deepEqual(of(1_000_000_000), [['id_wraparound', 'problem']]);
  assert.deepEqual(of(0, 500_000_000), [['id_wraparound:multixacts', 'warning']]);
});

test('each setting that is off is a finding of its own', () => {
  const off = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off', track_activities: 'off' };
  assert.deepEqual(bad({ settings: known(off) }), [
    ['settings:fsync', 'problem'],
    ['settings:full_page_writes', 'problem'],
    ['settings:synchronous_commit', 'problem'],
    ['settings:track_activities', 'warning'],
  ]);
  assert.deepEqual(bad({ settings: known({ synchronous_commit: 'remote_write' }) }), []);
});

test('connections are a warning at 80 % and a problem at 95 %', () => {
  const of = (used: number) => bad({ connections: known({ used, usable: 100 }) });
  assert.deepEqual(of(79), []);
  assert.deepEqual(of(80), [['connections', 'warning']]);
  assert.deepEqual(of(95), [['connections', 'problem']]);
});

test('an invalid index is a warning, and a problem when it should be unique', () => {
  const index = { name: 'core.some', table: 'core.jobs', isUnique: false, isReady: true };
  assert.deepEqual(bad({ invalidIndexes: known([index, { ...index, name: 'core.one', isUnique: true }]) }), [
    ['invalid_indexes:core.one', 'problem'],
    ['invalid_indexes:core.some', 'warning'],
  ]);
});

test('what cannot be examined is a warning, and the rest is told all the same', () => {
  const findings = diagnosed({ ages: { kind: 'unknown', reason: 'permission denied' } });
  assert.equal(findings[0]?.id, 'id_wraparound');
  assert.equal(findings[0]?.what, 'could not be examined: permission denied');
  assert.equal(findings.length, 8);
});

test('the worst come first, otherwise in the order of the checks; ids are different', () => {
  const findings = diagnosed({
    holders: known([makeHolder({ ageMs: 60_000 })]),
    canSeeSessions: known(false),
    connections: known({ used: 57, usable: 57 }),
  });
  assert.deepEqual(findings.map(({ severity, id }) => [severity, id]).slice(0, 3), [
    ['problem', 'connections'],
    ['warning', 'oldest_snapshot'],
    ['warning', 'session_details'],
  ]);
  assert.equal(new Set(findings.map(({ id }) => id)).size, findings.length);
  for (const { severity, why, remedy } of findings) {
    assert.equal(severity === 'ok', why === '');
    assert.equal(severity === 'ok', remedy === '');
  }
});

test('limits can be given', () => {
  const observations = makeObservations({ connections: known({ used: 1, usable: 100 }) });
  const [first] = diagnose(observations, LIMITS, { ...doctorLimits, connectionsWarning: 0.01 });
  assert.deepEqual([first?.id, first?.severity], ['connections', 'warning']);
});
