/**
 * Findings for a person, and for a program.
 */
import { printable } from './amounts.ts';
import { type Finding, SEVERITIES, type Severity } from './finding.ts';

/** The worst of them; `ok` when there are none. */
function worst(findings: readonly Finding[]): Severity {
  return SEVERITIES.find((severity) => findings.some((finding) => finding.severity === severity)) ?? 'ok';
}

/**
 * Lines of text without colour: severity, id and what was seen in columns; below it, unless it is ok, why it matters and
 * what to do.
 */
export function renderFindings(findings: readonly Finding[]): string {
  const severityWidth = Math.max(0, ...findings.map(({ severity }) => severity.length));
  const idWidth = Math.max(0, ...findings.map(({ id }) => printable(id).length));
  const indent = ' '.repeat(severityWidth + idWidth + 4);
  return findings
    .flatMap(({ severity, id, what, why, remedy }) => [
      `${severity.padEnd(severityWidth)}  ${printable(id).padEnd(idWidth)}  ${printable(what)}`,
      ...(why === '' ? [] : [`${indent}why     ${printable(why)}`]),
      ...(remedy === '' ? [] : [`${indent}remedy  ${printable(remedy)}`]),
    ])
    .join('\n');
}

/** `{"severity": the worst, "findings": [{id, severity, what, why, remedy}]}`, indented. */
export function renderFindingsJson(findings: readonly Finding[]): string {
  return JSON.stringify({ severity: worst(findings), findings }, null, 2);
}
