/**
 * A server process with nothing but an embedded Postgres, for tests that kill it. Tells what happens as JSON lines;
 * stops when its input ends.
 */
import { systemClock } from '#base/clock';
import { isLoadstoneError } from '#base/errors';
import { armFaults } from '#base/faults';
import { silentLog } from '#base/log';
import { systemRandom } from '#base/random';
import { createEmbeddedPostgres } from './embedded.ts';

const argument = process.argv[2] ?? '--check';
if (argument === '--check') process.exit(0);

if (process.env.LOADSTONE_FAULTS !== undefined) {
  const crash = () => void process.kill(process.pid, 'SIGKILL');
  armFaults(process.env.LOADSTONE_FAULTS, { clock: systemClock, log: silentLog, crash });
}

const tell = (event: object) => process.stdout.write(`${JSON.stringify(event)}\n`);
const postgres = createEmbeddedPostgres(
  { startTimeoutMs: 60_000, ...JSON.parse(argument) },
  {
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    report: (line) => void tell({ event: 'report', line }),
  },
);
try {
  await postgres.start(new AbortController().signal);
  tell({ event: 'ready', pid: postgres.pid(), ...postgres.address });
  postgres.onChange((state) => {
    for (const [name, of] of postgres.standbyStates()) {
      if (of.kind === 'failing') tell({ event: 'standby', name, reason: of.reason });
    }
    if (state.kind === 'down') tell({ event: 'down', reason: state.reason });
    if (state.kind === 'ready') tell({ event: 'up', pid: state.pid });
  });
} catch (error) {
  tell({
    event: 'failed',
    code: isLoadstoneError(error) ? error.code : 'none',
    detail: error instanceof Error ? error.message : String(error),
  });
}
process.stdin.resume().once('end', async () => {
  await postgres.stop(new AbortController().signal);
  tell({ event: 'stopped' });
});
