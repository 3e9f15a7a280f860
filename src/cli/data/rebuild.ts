/**
 * `loadstone rebuild`: remakes a projection from the truth while the server serves.
 */
import type { Command } from 'commander';
import type { RebuildProgress } from '#blocks/projection';
import {
  type Answer,
  addInstallationFlags,
  type CommandContext,
  type InstallationFlags,
  onInstallation,
  usageError,
} from '../command.ts';
import type { Configuration } from '../config.ts';
import { formatCount, formatSpan } from '../text/text.ts';

const PHASES: Record<RebuildProgress['phase'], string> = {
  filling: 'reading the truth',
  catching_up: 'applying what has come since',
  swapping: 'putting the new table in its place',
};

/** Tells each phase once. */
function createProgress(report: (line: string) => void): (progress: RebuildProgress) => void {
  let told: string | undefined;
  return ({ name, phase }) => {
    if (phase !== told) report(`${name}: ${PHASES[phase]}`);
    told = phase;
  };
}

function assertProjection({ definitions }: Configuration, name: string): void {
  const known = definitions.flatMap(({ projections = [] }) => projections.map((each) => each.name));
  if (known.includes(name)) return;
  throw usageError(`there is no projection ${name}; known is ${known.join(', ') || 'none'}`);
}

async function rebuild({ coreRuntime, signal, report }: CommandContext, name: string): Promise<Answer> {
  const done = await coreRuntime.projections.rebuild(name, { signal, onProgress: createProgress(report) });
  const { rows, events, tookMs, asideForgotten } = done;
  const forgotten =
    asideForgotten === 0
      ? ''
      : `; ${formatCount(asideForgotten, 'event')} set aside before, and not needed now`;
  return {
    text: `projection ${name} remade in ${formatSpan(tookMs)}: ${formatCount(rows, 'row')}, ${formatCount(events, 'later event')}${forgotten}`,
    json: done,
  };
}

export function addRebuildCommand(program: Command): void {
  addInstallationFlags(
    program
      .command('rebuild')
      .description('Remake a projection from the truth, beside a server that goes on serving.')
      .argument('<name>', 'of the projection'),
  ).action((name: string, flags: InstallationFlags) =>
    onInstallation(flags, (context) => rebuild(context, name), {
      need: 'relay',
      check: (configuration) => assertProjection(configuration, name),
    }),
  );
}
