/**
 * `loadstone ps`: the processes of the installation, on this machine and others.
 */
import type { Command } from 'commander';
import { toTime } from '#base/values/time';
import { createPostgresRegistry, type ListedProcess, listProcesses } from '#blocks/discovery';
import {
  type Answer,
  addInstallationFlags,
  type CommandContext,
  type InstallationFlags,
  onInstallation,
} from './command.ts';
import { alignColumns, formatCount, formatSpan, formatTime, oneLine } from './text/text.ts';

const HEAD = ['PID', 'HOST', 'ROLE', 'STATE', 'ADDRESS', 'SYSTEMS', 'VERSION', 'STARTED', 'LAST SEEN'];

/** What a lost process said last of itself is no longer so. */
const stateOf = ({ isLive, state }: ListedProcess) => (isLive ? state : 'lost');

function row(entry: ListedProcess): string[] {
  return [
    String(entry.pid),
    oneLine(entry.host, 40),
    entry.role,
    stateOf(entry),
    entry.address ?? '-',
    oneLine(entry.systems.join(','), 40),
    entry.version,
    formatTime(entry.startedAt.getTime()),
    `${formatSpan(entry.silentMs)} ago`,
  ];
}

function describe(entries: readonly ListedProcess[]): string {
  if (entries.length === 0) return 'no process of this installation lives';
  const lost = entries.filter(({ isLive }) => !isLive).length;
  const live = formatCount(entries.length - lost, 'process', 'processes');
  const summary = lost === 0 ? `${live} live` : `${live} live, ${lost} lost`;
  return `${alignColumns([HEAD, ...entries.map(row)])}\n\n${summary}`;
}

export function processToJson(entry: ListedProcess) {
  const { startedAt, address, ...rest } = entry;
  return {
    ...rest,
    state: stateOf(entry),
    address: address ?? null,
    startedAt: toTime(startedAt.getTime()),
  };
}

async function ps({ coreRuntime, configuration }: CommandContext): Promise<Answer> {
  const store = createPostgresRegistry(coreRuntime.database.core);
  const entries = await listProcesses(store, configuration.options.registry);
  return { text: describe(entries), json: { items: entries.map(processToJson) } };
}

export function addPsCommand(program: Command): void {
  addInstallationFlags(
    program.command('ps').description('List the processes of the installation, and those that were lost.'),
  ).action((flags: InstallationFlags) => onInstallation(flags, ps));
}
