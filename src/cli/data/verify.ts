/**
 * `loadstone verify`: compares what is derived with the truth. Exit status 0 when all is equal, 1 when something differs.
 */
import type { Command } from 'commander';
import type { Verification } from '#blocks/projection';
import type { ReferenceReport } from '#blocks/references';
import {
  type Answer,
  addInstallationFlags,
  type CommandContext,
  type InstallationFlags,
  onInstallation,
  usageError,
  wholeNumber,
} from '../command.ts';
import type { Configuration } from '../config.ts';
import { isFaulty, renderReference, renderVerification } from '../text/verify.ts';

const SAMPLE_MAX = 1_000_000_000;

interface VerifyFlags extends InstallationFlags {
  sample?: number;
}

function assertSystem({ definitions }: Configuration, system: string | undefined): void {
  const names = definitions.map(({ name }) => name);
  if (system === undefined || names.includes(system)) return;
  throw usageError(`no system ${system} is switched on; known is ${names.join(', ')}`);
}

async function verify(
  { coreRuntime, signal }: CommandContext,
  system: string | undefined,
  { sample }: VerifyFlags,
): Promise<Answer> {
  const isAsked = (owner: string) => system === undefined || owner === system;
  const options = { signal, ...(sample === undefined ? {} : { sample }) };
  const lines: string[] = [];
  const projections: Verification[] = [];
  for (const definition of coreRuntime.projections.definitions.values()) {
    if (!isAsked(definition.system)) continue;
    const found = await coreRuntime.projections.verify(definition.name, options);
    projections.push(found);
    lines.push(renderVerification(found, definition.stream));
  }
  const references: ReferenceReport[] = [];
  for (const { name, from } of coreRuntime.references.declared) {
    if (!isAsked(from.system)) continue;
    const report = await coreRuntime.references.check(name, options);
    references.push(report);
    lines.push(renderReference(report));
  }
  const isEqual =
    projections.every(({ differencesTotal }) => differencesTotal === 0) && !references.some(isFaulty);
  return {
    text: lines.length === 0 ? 'nothing to compare' : lines.join('\n'),
    json: { isEqual, projections, references },
    exitStatus: isEqual ? 0 : 1,
  };
}

export function addVerifyCommand(program: Command): void {
  addInstallationFlags(
    program
      .command('verify')
      .description('Compare projections and references with the truth, and name the first differences.')
      .argument('[system]', 'what belongs to this system only')
      .option('--sample <n>', 'only so many rows of each, picked at random', wholeNumber(1, SAMPLE_MAX)),
  ).action((system: string | undefined, flags: VerifyFlags) =>
    onInstallation(flags, (context) => verify(context, system, flags), {
      // A difference is the answer here, and needs no line of a log beside it.
      logLevel: 'fatal',
      check: (configuration) => assertSystem(configuration, system),
    }),
  );
}
