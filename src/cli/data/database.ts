/**
 * `loadstone database`: how the embedded Postgres and its standbys are, and the promotion of a standby.
 */
import { existsSync, realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { systemClock } from '#base/clock';
import { systemRandom } from '#base/random';
import { askForPromotion, type DatabaseStatus, databaseStatus, embeddedErrors, type PromotionOutcome } from '#blocks/postgres';
import { type Answer, addFamily } from '../command.ts';
import { readConfiguration, type StartFlags } from '../config.ts';
import { cliErrors } from '../errors.ts';
import { untilInterrupted } from './on-files.ts';
import { checkReadable } from '../readable.ts';
import { alignColumns, formatBytes, oneLine } from '../text/text.ts';

interface DatabaseFlags extends Pick<StartFlags, 'data' | 'database' | 'config'> {
  json?: boolean;
}

interface PromoteFlags extends DatabaseFlags {
  force?: boolean;
}

const FORCE = `
Without --force the primary shuts down cleanly and hands over: nothing is lost.
With --force it is killed, also when it hangs or has been stopped; what is on
its disk is replayed first, so that something is lost only with that disk.
Either way the old primary is fenced, and becomes a standby of the new one.
`;

/** The data directory of an embedded database. @throws promotion_refused, installation_missing */
async function findData(flags: DatabaseFlags): Promise<string> {
  const { options } = await readConfiguration(flags, process.env);
  if (options.database.primary !== undefined) {
    throw embeddedErrors.promotion_refused({
      detail: 'database.primary is a Postgres of your own: whoever operates it promotes its standbys',
    });
  }
  const directory = resolve(options.data);
  checkReadable(directory);
  if (existsSync(directory)) return realpathSync(directory);
  throw cliErrors.installation_missing({
    detail: `data directory ${directory} does not exist; name another with --data, or start a server in it`,
  });
}

function describeLoss({ lostBytes }: PromotionOutcome): string {
  if (lostBytes === 0) return 'nothing was lost';
  if (lostBytes === null) return 'how much was lost nobody can tell: its log could not be read';
  return `of its log ${formatBytes(lostBytes)} were lost`;
}

function describePromotion(outcome: PromotionOutcome): string {
  if (outcome.kind === 'pending') {
    return `no server runs in the data directory; its next start makes ${outcome.primary} the primary`;
  }
  return `${outcome.primary} is the primary now, in term ${outcome.term}, in the place of ${outcome.from}; ${describeLoss(outcome)}`;
}

async function promote(
  standby: string | undefined,
  flags: PromoteFlags,
  signal: AbortSignal,
): Promise<Answer> {
  const request = { isForced: flags.force ?? false, ...(standby === undefined ? {} : { standby }) };
  const outcome = await askForPromotion(await findData(flags), request, {
    clock: systemClock,
    random: systemRandom,
    signal,
  });
  return { text: describePromotion(outcome), json: outcome };
}

function describeStatus({ term, ownerPid, primary, standbys, promotion }: DatabaseStatus): string {
  const rows = [
    ['DIRECTORY', 'ROLE', 'STATE', 'BEHIND'],
    [primary.name, 'primary', primary.state, '-'],
    ...standbys.map(({ name, state, lagBytes }) => [
      name,
      'standby',
      state,
      lagBytes === null ? '-' : formatBytes(lagBytes),
    ]),
  ];
  const owner = ownerPid === null ? 'no server runs here' : `run by pid ${ownerPid}`;
  const lines = [alignColumns(rows), '', `term ${term}, ${owner}`];
  if (promotion) {
    const { standby, state, reason } = promotion;
    const why = reason === undefined ? '' : `: ${oneLine(reason)}`;
    lines.push(`last promotion: of ${standby}, ${state}${why}`);
  }
  return lines.join('\n');
}

async function status(flags: DatabaseFlags): Promise<Answer> {
  const found = await databaseStatus(await findData(flags));
  return {
    text: describeStatus(found),
    json: found,
    exitStatus: found.primary.state === 'up' ? 0 : 1,
  };
}

function addFlags(command: Command): Command {
  return command
    .option('--json', 'answer in JSON, for programs')
    .option('--data <dir>', 'data directory of the server (default ./data)')
    .option('--database <url>', 'postgres:// address, where that is used instead of the embedded Postgres')
    .option('--config <file>', 'configuration file (default ./loadstone.yaml, if there is one)');
}

export function addDatabaseCommand(program: Command): void {
  const family = addFamily(program, 'database', 'Look at the embedded Postgres, and promote its standby.');
  addFlags(
    family.command('status').description('Say who is the primary, who its standbys, and how far behind.'),
  ).action((flags: DatabaseFlags) => untilInterrupted(flags, () => status(flags)));
  addFlags(
    family
      .command('promote')
      .description('Make a standby the primary, and the primary its standby.')
      .argument('[standby]', 'which one, by its directory (default: the first)')
      .option('--force', 'kill the primary instead of asking it to hand over')
      .addHelpText('after', FORCE),
  ).action((standby: string | undefined, flags: PromoteFlags) =>
    untilInterrupted(flags, (signal) => promote(standby, flags, signal)),
  );
}
