/**
 * Rounds of a real process that appends and ships, killed (SIGKILL) at a random moment; the next one takes over what it
 * has left.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '#base/random';
import { eventually } from '#base/testing/eventually.fixture';
import type { TestDatabase } from '#fixtures/database';
import { listJournals } from './files/directories.ts';
import { makeJournal, never, scratchDirectory } from './journal.fixture.ts';
import { appliedTo, applyTo, shipperDefaults, shipperDeps } from './shipping/records.fixture.ts';
import { createShipper } from './shipping/shipper.ts';

import type { WriterArguments } from './writer.fixture.ts';

const WRITER = fileURLToPath(new URL('./writer.fixture.ts', import.meta.url));

/** Kills the writer when it has told of `acknowledgements`. @returns those that it has told of */
async function writeUntilKilled(writer: WriterArguments, acknowledgements: number): Promise<number[]> {
  const child = spawn(process.execPath, [WRITER, JSON.stringify(writer)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const told: number[] = [];
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      told.push(Number(line));
      if (told.length === acknowledgements) child.kill('SIGKILL');
    }
  } finally {
    child.kill('SIGKILL');
  }
  const [, signal] = await exited;
  assert.equal(signal, 'SIGKILL', 'the writer goes on until it is killed');
  return told;
}

async function shipTheRest({ database }: TestDatabase, root: string, run: string): Promise<void> {
  const { journal } = makeJournal({}, { directory: root });
  const shipper = createShipper(
    shipperDefaults,
    shipperDeps({ journal, database, run, apply: applyTo(run) }),
  );
  await journal.start(never);
  await shipper.start(never);
  await eventually('all is shipped', () => journal.sources().length === 1);
  await shipper.stop(never);
  await journal.stop(never);
}

/**
 * A process is killed while another one runs, which takes over what it leaves: all that was acknowledged must be there, each
 * record once and in order.
 */
export async function checkSurvivor(made: TestDatabase, seed: number): Promise<void> {
  const root = scratchDirectory();
  const run = `survivor ${seed}`;
  const { journal } = makeJournal({}, { directory: root });
  const shipper = createShipper(
    shipperDefaults,
    shipperDeps({ journal, database: made.database, run, apply: applyTo(run) }),
  );
  await journal.start(never);
  await shipper.start(never);
  const random = seededRandom(seed);
  const writer = { url: made.url, root, round: 0, run, callers: 4, journal: { fileBytesMax: 65_536 } };
  const told = await writeUntilKilled(writer, 100 + Math.floor(random.fraction() * 1000));
  await eventually(
    'the directory of the killed one is gone',
    () => listJournals(root, 'clicks').length === 1,
  );
  await shipper.stop(never);
  await journal.stop(never);
  const applied = (await appliedTo(made.database, run)).map((text) => Number(text.split(':')[1]));
  assert.deepEqual(
    applied,
    Array.from({ length: applied.length }, (_, number) => number),
    `seed ${seed}`,
  );
  assert(applied.length > Math.max(...told), `seed ${seed}: acknowledged records are lost`);
}

export interface KillRounds {
  rounds: number;
  seed: number;
  journal: WriterArguments['journal'];
}

/**
 * Of each round there must be the records from 0 to some number, each once and in order, none of those missing that were
 * acknowledged; and the rounds in their order.
 */
export async function checkKills(made: TestDatabase, { rounds, seed, journal }: KillRounds): Promise<void> {
  const random = seededRandom(seed);
  const root = scratchDirectory();
  const run = `kills ${seed} ${JSON.stringify(journal)}`;
  const highest: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const callers = 1 + Math.floor(random.fraction() * 8);
    const acknowledgements = 1 + Math.floor(random.fraction() ** 2 * 3000);
    const writer = { url: made.url, root, round, run, callers, journal };
    const told = await writeUntilKilled(writer, acknowledgements);
    highest.push(Math.max(...told));
  }
  await shipTheRest(made, root, run);

  const applied = (await appliedTo(made.database, run)).map((text) => text.split(':').map(Number));
  const context = `seed ${seed}`;
  let expected = { round: 0, number: 0 };
  for (const [round, number] of applied) {
    if (round !== expected.round) {
      assert(expected.number > highest[expected.round]!, `${context}: round ${expected.round} lost records`);
      expected = { round: expected.round + 1, number: 0 };
    }
    assert.deepEqual({ round, number }, expected, context);
    expected.number += 1;
  }
  assert.equal(expected.round, rounds - 1, context);
  assert(expected.number > highest.at(-1)!, `${context}: the last round lost records`);
}
