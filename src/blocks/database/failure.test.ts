/**
 * The cases that the suites on a real Postgres do not reach.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { databaseErrors } from './errors.ts';
import {
  classify,
  endsConnection,
  type Failure,
  isConflict,
  isConstraintViolation,
  isRefusal,
  toCoded,
} from './failure.ts';

const fromPostgres = (code: string, message = 'of Postgres') =>
  Object.assign(new Error(message), { code, severity: 'ERROR' });
const fromSocket = (code: string) => Object.assign(new Error(`connect ${code}`), { code });

const kinds: [Failure, Error[]][] = [
  [
    'unreachable',
    [
      ...['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE', 'ENOTFOUND', 'EAI_AGAIN'].map(fromSocket),
      ...['08006', '08P01', '57P01', '57P02', '57P03', '57P05', '53300', '25006'].map((code) =>
        fromPostgres(code),
      ),
      new Error('Connection terminated unexpectedly'),
      new Error('Connection terminated due to connection timeout'),
      new Error('timeout expired'),
      new Error('Client has encountered a connection error and is not queryable'),
    ],
  ],
  ['waited', [new Error('timeout exceeded when trying to connect')]],
  ['conflict', [fromPostgres('40001'), fromPostgres('40P01'), fromPostgres('55P03')]],
  ['timeout', [fromPostgres('57014'), fromPostgres('25P03'), fromPostgres('25P04')]],
  ['full', [fromPostgres('53100')]],
  ['other', [fromPostgres('42601'), fromPostgres('22012'), fromPostgres('0A000'), new Error('another')]],
];

const codes: Record<Failure, string> = {
  unreachable: 'database_unavailable',
  waited: 'database_busy',
  conflict: 'database_conflict',
  timeout: 'deadline_exceeded',
  full: 'database_full',
  other: 'database_failed',
};

test('each failure has its kind and its code, with the cause', () => {
  for (const [kind, errors] of kinds) {
    for (const error of errors) {
      assert.equal(classify(error), kind, error.message);
      const coded = toCoded(error) as Error & { code: string };
      assert.equal(coded.code, codes[kind]);
      assert.equal(coded.cause, error);
    }
  }
  assert.equal(classify('not an error'), 'other');
  assert.equal(classify(undefined), 'other');
});

test('coded errors and violated constraints pass as they are', () => {
  const coded = databaseErrors.database_busy();
  assert.equal(toCoded(coded), coded);
  const violation = Object.assign(fromPostgres('23505'), { constraint: 'links_pkey' });
  assert.equal(toCoded(violation), violation);
  assert.equal(isConstraintViolation(violation), true);
  assert.equal(isConstraintViolation(violation, 'links_pkey'), true);
  assert.equal(isConstraintViolation(violation, 'other'), false);
  assert.equal(isConstraintViolation(fromPostgres('42601')), false);
  assert.equal(isConstraintViolation({ code: '23505' }), false);
});

test('a conflict is known through its coded error too', () => {
  assert.equal(isConflict(fromPostgres('40001')), true);
  assert.equal(isConflict(toCoded(fromPostgres('40P01'))), true);
  assert.equal(isConflict(toCoded(fromPostgres('22012'))), false);
  assert.equal(isConflict(databaseErrors.database_conflict()), false);
});

test('only an answer of Postgres that leaves the connection standing is a refusal', () => {
  assert.equal(isRefusal(fromPostgres('23505')), true);
  assert.equal(isRefusal(toCoded(fromPostgres('40001'))), true);
  assert.equal(isRefusal(toCoded(fromPostgres('57014'))), true);
  for (const lost of ['57P01', '25P04', '08006']) assert.equal(isRefusal(fromPostgres(lost)), false, lost);
  for (const error of [fromSocket('EPIPE'), new Error('Connection terminated'), undefined])
    assert.equal(isRefusal(error), false);
});

test('which errors end the connection', () => {
  assert.equal(endsConnection(fromPostgres('57P01')), true);
  assert.equal(endsConnection(fromPostgres('25P03')), true);
  assert.equal(endsConnection(fromPostgres('25006')), true, 'a standby where the primary was');
  assert.equal(endsConnection(fromPostgres('0A000', 'cached plan must not change result type')), true);
  assert.equal(endsConnection(fromPostgres('0A000', 'not implemented')), false);
  assert.equal(endsConnection(fromPostgres('57014')), false);
});
