/**
 * Keeps results: one JSON file for each run, and a Markdown file with the latest.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bar, BenchOptions, Outcome } from './bench.ts';
import type { Provenance } from './machine.ts';

export interface Run {
  bench: string;
  options: BenchOptions;
  provenance: Provenance;
  outcome: Outcome;
}

function verdict({ claim, measured, isMet }: Bar): string {
  return `${isMet ? 'PASS' : 'FAIL'}: ${claim}: ${measured}`;
}

/** What a person reads, in the terminal and in the file. */
export function formatRun({ bench, provenance, outcome }: Run): string {
  const { date, commit, isDirty, node, machine } = provenance;
  const { cpu, cores, memoryGib, kernel } = machine;
  return `# ${bench}

${outcome.bars.map((bar) => `- ${verdict(bar)}`).join('\n')}

${outcome.text.trim()}

Measured ${date.slice(0, 16).replace('T', ' ')} UTC, commit ${commit}${isDirty ? ' with changes not committed' : ''}, Node ${node}, ${cpu}, ${cores} cores, ${memoryGib} GiB, ${kernel}.
How to read this: [bench/README.md](../README.md).
`;
}

/** @returns the file with all numbers */
export function keepRun(run: Run, directory: string): string {
  const { bench, options, provenance, outcome } = run;
  const { date, commit, isDirty } = provenance;
  const file = join(directory, `${bench}-${date.slice(0, 10)}-${commit}${isDirty ? '-dirty' : ''}.json`);
  mkdirSync(directory, { recursive: true });
  const { bars, data } = outcome;
  writeFileSync(file, `${JSON.stringify({ bench, ...provenance, options, bars, ...data }, null, 2)}\n`);
  writeFileSync(join(directory, `${bench}.md`), formatRun(run));
  return file;
}
