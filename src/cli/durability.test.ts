/**
 * Three of the rounds of durability.long.ts.
 */
import { test } from 'node:test';
import { runDurability } from './durability.fixture.ts';

const ROUNDS = 3;

test('what is acknowledged survives a killed server, relay, worker or Postgres, once', (t) =>
  runDurability(t, ROUNDS));
