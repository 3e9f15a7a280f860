/**
 * `loadstone plan`: the simplest topology that holds a workload, with what each number comes from. Reaches no installation.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { parseDocument, stringify } from 'yaml';
import {
  type Calibration,
  defaultCalibration,
  type Plan,
  parseCalibration,
  planErrors,
  planFor,
  readWorkload,
  renderPlan,
} from '#blocks/plan';
import { SYSTEMS_DEFAULT } from '#server/systems/list';
import type { NamedSystem } from './named-systems.ts';

interface PlanFlags {
  calibration?: string;
  explain?: boolean;
  json?: boolean;
  out?: string;
  systems?: string;
}

/** A plan is no failure when nothing holds, but a program should notice. */
const EXIT_NOTHING_HOLDS = 1;

function readText(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw planErrors.plan_file_unusable({ detail: `${what}: ${file} cannot be read`, cause });
  }
}

/** @throws plan_file_unusable, workload_invalid */
function readYaml(file: string): unknown {
  const document = parseDocument(readText(file, 'workload'), { prettyErrors: true });
  const problem = document.errors[0]?.message.split('\n')[0]?.replace(/:$/, '');
  if (problem !== undefined) throw planErrors.plan_file_unusable({ detail: `${file}: ${problem}` });
  const value = toValue(document, file);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw planErrors.plan_file_unusable({ detail: `${file}: must be a mapping, with users and systems` });
}

/** A few lines of aliases can stand for more than fits into memory; the reader of YAML gives up in time. */
function toValue(document: ReturnType<typeof parseDocument>, file: string): unknown {
  try {
    return document.toJS();
  } catch (cause) {
    throw planErrors.plan_file_unusable({ detail: `${file}: it has too many aliases`, cause });
  }
}

function readCapacity(file: string | undefined): Calibration {
  return file === undefined ? defaultCalibration : parseCalibration(readText(file, 'calibration'), file);
}

/** loadstone.yaml, with the plan's words as comments; what cannot be configured is said there and nowhere else. */
export function configurationText({ name, capacity, steps, notes, configuration = {} }: Plan): string {
  const comments = [
    `Written by \`loadstone plan\`${name === undefined ? '' : `, for ${name}`}.`,
    `Capacity: ${capacity.source} on ${capacity.machine}.`,
    'One server.',
    ...steps.flatMap(({ text, reason }) => [`+ ${text}`, `    ${reason}`]),
    ...notes,
  ];
  const body = Object.keys(configuration).length === 0 ? '' : stringify(configuration);
  return `${comments.map((line) => `# ${line.replaceAll(/\s*\n\s*/g, ' ')}`).join('\n')}\n${body}`;
}

function writeConfiguration(plan: Plan, file: string): void {
  if (plan.topology === undefined) {
    throw planErrors.topology_impossible({ detail: plan.unmet.join('; ') });
  }
  try {
    writeFileSync(file, configurationText(plan), { flag: 'wx' });
  } catch (cause) {
    throw planErrors.plan_file_unusable({
      detail: `out: ${file} cannot be written; a file that is there is left as it is`,
      cause,
    });
  }
}

/** With the systems as they were given, since a server finds those from elsewhere by their paths. */
function withPaths(made: Plan, named: readonly NamedSystem[]): Plan {
  const { systems, ...options } = made.configuration ?? {};
  if (!Array.isArray(systems)) return made;
  const given = (name: string) => named.find(({ definition }) => definition.name === name)?.given ?? name;
  return { ...made, configuration: { systems: systems.map(given), ...options } };
}

async function plan(file: string, flags: PlanFlags): Promise<void> {
  const { calibration, explain = false, json = false, out } = flags;
  const { loadNamed } = await import('./named-systems.ts');
  const named = await loadNamed(flags.systems);
  const models = named.flatMap(({ definition }) => definition.model ?? []);
  const workload = readWorkload(readYaml(file), models);
  const made = withPaths(planFor(workload, { calibration: readCapacity(calibration), models }), named);
  if (out !== undefined) writeConfiguration(made, out);
  const text = json ? JSON.stringify(made, null, 2) : renderPlan(made, { explain });
  process.stdout.write(`${text}\n`);
  if (made.topology === undefined) process.exitCode = EXIT_NOTHING_HOLDS;
}

export function addPlanCommand(program: Command): void {
  program
    .command('plan')
    .description('Work out the simplest topology that holds a workload, and what of it breaks first.')
    .argument('<workload>', 'YAML file: see docs/concepts/planning.md and examples/workloads')
    .option('--calibration <file>', 'what `loadstone calibrate` has measured (default: shipped figures)')
    .option(
      '--systems <names>',
      `systems that the workload may name, names or paths (default ${SYSTEMS_DEFAULT.join(',')})`,
    )
    .option('--explain', 'show the arithmetic of each number')
    .option('--json', 'answer in JSON, for programs')
    .option('--out <file>', 'write the topology as a loadstone.yaml that is not there yet')
    .allowExcessArguments(false)
    .action(plan);
}
