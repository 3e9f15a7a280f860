import { checkOf } from '../checks.ts';
import { fillDisk, makeRoom } from '../installation/bounded-disk.ts';
import type { Scenario } from '../scenario.ts';
import { DRILL_CONFIGURATION, waitForShare } from './steps.ts';

const FULL_SHARE = 0.25;
const NOTICED_BOUND_MS = 30_000;
const CODE = 'database_full';

export const diskFull: Scenario = {
  name: 'disk-full',
  summary:
    'The disk of the database fills up under load, and gets room again: writes are refused meanwhile, and nothing acknowledged is lost.',
  topology: {
    servers: [{ name: 'server', diskMiB: 256 }],
    loaded: 'server',
    configuration: DRILL_CONFIGURATION,
  },
  needs: { own: 'a database on a small disk' },
  // Rows that need new room.
  emphasis: { creations: 3 },
  seconds: 20,
  secondsMin: 12,
  ratePerS: 300,
  connections: 32,
  timeoutMs: 5000,
  bounds: { failedShareMax: 1, recoverMsMax: 15_000 },
  async run(stage) {
    const { data } = stage.topology.server('server');
    await waitForShare(stage, [0.2, 0.3]);
    stage.mark('fault', 'the disk is full');
    fillDisk(data());
    await stage.wait(stage.seconds * 1000 * FULL_SHARE);
    await stage.until('a write is refused for it', () => stage.answers(CODE) > 0, NOTICED_BOUND_MS);
    makeRoom(data());
    stage.mark('heal', 'there is room again');
  },
  checks({ loaded }) {
    const refused = loaded.filter(({ code }) => code === CODE);
    const untold = refused.filter(({ retryAfter }) => retryAfter === undefined);
    const problems = [
      ...(refused.length > 0 ? [] : ['no write was refused']),
      ...(untold.length === 0 ? [] : [`${untold.length} were not told when to try again`]),
    ];
    return [
      checkOf(
        'writes are told that the disk is full, and when to try again',
        `${refused.length} × ${CODE}`,
        problems,
      ),
    ];
  },
};
