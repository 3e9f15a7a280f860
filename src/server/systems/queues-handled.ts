/**
 * That the queues of a system and what handles them belong together: a job that nobody carries out would wait for ever, and
 * nobody would be told.
 */
import type { System, SystemDefinition } from '#blocks/system';
import { serverErrors } from '../errors.ts';

type Declared = Pick<SystemDefinition, 'name' | 'queues' | 'schedules'>;

function problemOf({ queues = [], schedules = [] }: Declared, { jobs = [] }: Pick<System, 'jobs'>): string[] {
  const declared = new Set(queues.map(({ name }) => name));
  const handled = jobs.map(({ queue }) => queue.name);
  const quoted = (name: string) => `"${name}"`;
  return [
    ...[...declared]
      .filter((name) => !handled.includes(name))
      .map((name) => `declares the queue ${quoted(name)}, and none of its jobs handles it`),
    ...handled
      .filter((name) => !declared.has(name))
      .map((name) => `handles the queue ${quoted(name)}, which is not among its queues`),
    ...handled
      .filter((name, at) => handled.indexOf(name) !== at)
      .map((name) => `handles the queue ${quoted(name)} twice`),
    ...schedules
      .filter(({ queue }) => !declared.has(queue))
      .map(
        ({ name, queue }) =>
          `has the schedule ${quoted(name)} of the queue ${quoted(queue)}, which is not among its queues`,
      ),
  ];
}

/** @throws system_invalid */
export function checkQueues(definition: Declared, system: Pick<System, 'jobs'>): void {
  const problems = problemOf(definition, system);
  if (problems.length === 0) return;
  throw serverErrors.system_invalid({ detail: `the system ${definition.name} ${problems.join('; it ')}` });
}
