/**
 * `npm run check`: the compiler, the formatter and linter, the house rules and the generated references, side by side.
 */
import { describeError } from '#base/errors';
import type { Children } from './children.ts';
import { houseRules, readRepository } from './house.ts';
import { makeReference, staleReferences } from './reference.ts';
import { report } from './rule.ts';

interface Step {
  name: string;
  /** What is wrong; empty if nothing is. */
  run(): Promise<string>;
}

function seconds(sinceMs: number): string {
  return `${((performance.now() - sinceMs) / 1000).toFixed(1).padStart(6)} s`;
}

async function runStep({ name, run }: Step): Promise<boolean> {
  const startedMs = performance.now();
  const problems = await run().catch(describeError);
  const outcome = problems === '' ? 'ok' : `failed\n${problems.trimEnd()}`;
  console.log(`${name.padEnd(10)} ${seconds(startedMs)}  ${outcome}`);
  return problems === '';
}

/** Whether everything is as it should be; says what is not. */
export async function check(root: string, children: Children): Promise<boolean> {
  const tool = (args: string[]) => async () => {
    const { code, output } = await children.capture(args);
    return code === 0 ? '' : output || `exit code ${code}`;
  };
  const steps: Step[] = [
    { name: 'tsc', run: tool(['node_modules/typescript/bin/tsc', '-p', '.', '--pretty', 'false']) },
    { name: 'biome', run: tool(['node_modules/@biomejs/biome/bin/biome', 'ci', '--colors=off', '.']) },
    { name: 'rules', run: async () => report(houseRules, readRepository(root)).join('\n') },
    {
      name: 'reference',
      async run() {
        const tree = readRepository(root);
        return staleReferences(tree, await makeReference(root, tree)).join('\n');
      },
    },
  ];
  const outcomes = await Promise.all(steps.map(runStep));
  return outcomes.every(Boolean);
}
