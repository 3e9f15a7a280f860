/**
 * A process that makes calls in sets, to be killed: it writes a line for each call that was answered.
 */
import { appendFileSync } from 'node:fs';
import { systemClock } from '#base/clock';
import { armFaults } from '#base/faults';
import { silentLog } from '#base/log';
import { createMetrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import { systemRandom } from '#base/random';
import { createDatabase, databaseOptions } from '#blocks/database';
import { type Added, countInSet } from './counter.fixture.ts';
import { groundMigrations, mutationOf, never, startGround } from './ground.fixture.ts';

export interface SetProcessArguments {
  primary: string;
  /** See `armFaults`. */
  faults: string;
  counter: string;
  calls: number;
  /** Where answered calls are written to: `number of the call, number it was given`. */
  answers: string;
}

const CALLERS = 16;

const [argument] = process.argv.slice(2);
if (argument !== undefined) await run(JSON.parse(argument) as SetProcessArguments);

async function run({ primary, faults, counter, calls, answers }: SetProcessArguments): Promise<void> {
  const crash = () => process.kill(process.pid, 'SIGKILL');
  armFaults(faults, { clock: systemClock, log: silentLog, crash });
  const metrics = createMetrics();
  const database = createDatabase(parseOptions(databaseOptions, { primary }), {
    ...{ clock: systemClock, random: systemRandom, log: silentLog, metrics },
    dataDirectory: '',
    migrations: groundMigrations,
    report: () => {},
  });
  await database.start(never());
  const { mutations } = await startGround({ database, metrics }, { setCallsMax: 8 }, false);
  let next = 0;
  async function caller(): Promise<void> {
    while (next < calls) {
      const call = next++;
      const input = {
        counter,
        text: `call ${call}`,
        job: { uniqueKey: `${counter} ${call}`, onDuplicate: 'reject' as const },
      };
      const reply = (value: Added) => ({ status: 201, headers: {}, body: value });
      const { outcome } = await mutations.runInSet(
        mutationOf(`${counter} ${call}`),
        countInSet,
        input,
        reply,
      );
      appendFileSync(answers, `${call} ${(outcome.body as Added).n}\n`);
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, caller));
  process.exit(1);
}
