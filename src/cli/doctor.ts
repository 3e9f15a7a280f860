/**
 * `loadstone doctor`: asks Postgres how it is. Exit status 1 when data, or the service, is at stake.
 */
import type { Command } from 'commander';
import { examine, type Finding, renderFindings, renderFindingsJson } from '#blocks/doctor';
import {
  type Answer,
  addInstallationFlags,
  type CommandContext,
  type InstallationFlags,
  onInstallation,
} from './command.ts';
import { formatCount } from './text/text.ts';

function summarise(findings: readonly Finding[]): string {
  const count = (severity: Finding['severity']) =>
    findings.filter((finding) => finding.severity === severity).length;
  return `${formatCount(count('problem'), 'problem')}, ${formatCount(count('warning'), 'warning')}`;
}

async function doctor({ coreRuntime, configuration, signal }: CommandContext): Promise<Answer> {
  const findings = await examine(coreRuntime.database.core, configuration.options.xmin, signal);
  return {
    text: `${renderFindings(findings)}\n\n${summarise(findings)}`,
    json: JSON.parse(renderFindingsJson(findings)),
    exitStatus: findings.some(({ severity }) => severity === 'problem') ? 1 : 0,
  };
}

export function addDoctorCommand(program: Command): void {
  addInstallationFlags(
    program
      .command('doctor')
      .description('Ask Postgres how it is, above all what holds back vacuum, and what to do about it.'),
  ).action((flags: InstallationFlags) => onInstallation(flags, doctor));
}
