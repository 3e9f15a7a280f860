import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Reading } from '../idle-usage.ts';
import { formatIdle, judge, type Measured, type Sample, sampleOf } from './idle.ts';

const reading = (atMs: number, cpuMs: number, count: number): Reading => ({
  atMs,
  server: { cpuMs, wakeups: count },
  postgres: { cpuMs: cpuMs / 2, wakeups: 2 * count },
  transactions: count,
  walBytes: 100 * count,
});

const sample = (serverPercent: number, serverMib: number): Sample => ({
  ...{ serverPercent, postgresPercent: 0.25, serverWakeupsPerS: 9, postgresWakeupsPerS: 12 },
  ...{ transactionsPerS: 3, walBytesPerS: 400, serverMib, postgresMib: 60 },
});

const measured = (checkout: Measured['checkout'], rounds: readonly Sample[]): Measured => ({
  ...{ checkout, processes: 1, rounds, visibleMs: [4, 5, 6] },
});

test('a sample is what was used between two readings, without the transaction of the reading itself', () => {
  const memory = { serverMib: 100, postgresMib: 50 };
  assert.deepEqual(sampleOf(reading(1000, 50, 10), reading(11_000, 150, 41), memory), {
    ...{ serverPercent: 1, postgresPercent: 0.5, serverWakeupsPerS: 3.1, postgresWakeupsPerS: 6.2 },
    ...{ transactionsPerS: 3, walBytesPerS: 310, ...memory },
  });
});

test('the bars are of one process of this checkout, server and Postgres together', () => {
  const other = measured('there', [sample(9, 300)]);
  const met = judge([other, measured('here', [sample(0.5, 120), sample(0.7, 130), sample(5, 135)])]);
  assert.deepEqual(
    met.map(({ isMet }) => isMet),
    [true, true],
  );
  const failed = judge([other, measured('here', [sample(0.8, 140)])]);
  assert.deepEqual(
    failed.map(({ isMet }) => isMet),
    [false, false],
  );
});

test('the tables have a row for each installation', () => {
  const all = [measured('here', [sample(0.5, 120)]), measured('there', [sample(9, 130)])];
  const text = formatIdle(all, { rounds: 1, seconds: 30, other: 'e02ff40' });
  assert.match(text, /\| this checkout, 1 process \| 0.75 \(0.75–0.75\) \|/);
  assert.match(text, /\| the other, 1 process \| 9.25 \(9.25–9.25\) \|/);
  assert.match(text, /\| the other, 1 process \| 5.0 \| 6.0 \| 6.0 \| 6.0 \|/);
});
