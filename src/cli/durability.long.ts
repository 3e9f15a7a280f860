/**
 * Thirty kills of servers, relays, workers and Postgres under load.
 */
import { test } from 'node:test';
import { runDurability } from './durability.fixture.ts';

const ROUNDS = 30;

test('thirty kills lose nothing that was acknowledged, and nothing takes effect twice', (t) =>
  runDurability(t, ROUNDS));
