/**
 * `loadstone jobs`: looks at jobs, and does by hand what no worker will.
 */
import { type Command, Option } from 'commander';
import { sleep } from '#base/clock';
import { isId } from '#blocks/ids';
import type { JobFilter, StoredJob } from '#blocks/queue';
import {
  type Answer,
  addFamily,
  addInstallationFlags,
  type CommandContext,
  type InstallationFlags,
  onInstallation,
  usageError,
  wholeNumber,
} from './command.ts';
import { renderDrain, waitingToJson } from './text/drain.ts';
import { jobToJson, renderJob, renderJobs, renderRetry, renderWhy, whyToJson } from './text/job.ts';
import { formatCount } from './text/text.ts';

const STATES: readonly StoredJob['state'][] = [
  'scheduled',
  'ready',
  'held',
  'running',
  'dead',
  'done',
  'discarded',
  'replaced',
  'dropped',
];
const LIST_MAX = 1000;
const SETTLE_MS = 1000;
const LOOK_MS = 50;
const LIST_DEFAULT = 50;

interface ListFlags extends InstallationFlags {
  queue?: string;
  state?: StoredJob['state'];
  workspace?: string;
  before?: string;
  limit: number;
}

/** Only a queue without jobs is asked for: those of a system that has been switched off can still be looked at. */
function assertKnown({ coreRuntime }: CommandContext, queue: string): void {
  coreRuntime.queue.forWorkers.definitionOf(queue);
}

function assertId(flag: string, id: string | undefined): void {
  if (id !== undefined && !isId(id)) throw usageError(`option '${flag}': ${id} is not an id`);
}

async function list(context: CommandContext, flags: ListFlags): Promise<Answer> {
  const { queue, state, workspace: workspaceId, before: beforeId, limit } = flags;
  const filter: JobFilter = { queue, state, workspaceId, beforeId, limit };
  const jobs = await context.coreRuntime.queue.inspection.list(filter);
  if (jobs.length === 0 && queue !== undefined) assertKnown(context, queue);
  const next = jobs.length === limit ? jobs.at(-1)?.jobId : undefined;
  const more = next === undefined ? '' : `\nolder ones: --before ${next}`;
  return {
    text: jobs.length === 0 ? 'no jobs' : `${renderJobs(jobs)}${more}`,
    json: { items: jobs.map(jobToJson), nextBefore: next ?? null },
  };
}

async function why({ coreRuntime, clock }: CommandContext, id: string): Promise<Answer> {
  const reason = await coreRuntime.queue.inspection.why(id);
  const job = await coreRuntime.queue.inspection.show(id);
  return {
    text: `job ${id}: ${renderWhy(reason, job, clock.nowMs())}`,
    json: whyToJson(reason, job),
  };
}

/** What becomes of a job that runs now, as far as that is seen within a moment; it may put another in its place. */
async function settled({ coreRuntime, clock, signal }: CommandContext, id: string): Promise<StoredJob> {
  const beganMs = clock.monotonicMs();
  for (;;) {
    const job = await coreRuntime.queue.inspection.show(id);
    const isOpen = ['ready', 'held', 'running'].includes(job.state);
    if (!isOpen || clock.monotonicMs() - beganMs > SETTLE_MS) return job;
    if (job.state === 'ready' && (await coreRuntime.queue.inspection.why(id)).waitsFor === 'no_worker')
      return job;
    await sleep(clock, LOOK_MS, signal);
  }
}

async function retry(context: CommandContext, id: string): Promise<Answer> {
  const { inspection } = context.coreRuntime.queue;
  const found = await inspection.show(id);
  await inspection.retry(id);
  const now = await settled(context, id);
  const { state, replacedBy } = jobToJson(now);
  return { text: renderRetry(found, now), json: { id, wasState: found.state, state, replacedBy } };
}

async function discard({ coreRuntime }: CommandContext, id: string): Promise<Answer> {
  await coreRuntime.queue.inspection.discard(id);
  return { text: `job ${id} is discarded`, json: { id, state: 'discarded' } };
}

const EXIT_UNCONFIRMED = 2;

interface DrainFlags extends InstallationFlags {
  yes?: boolean;
}

/** Says what would be discarded, and does it only when that is confirmed. */
async function drain(
  { coreRuntime, signal }: CommandContext,
  queue: string,
  flags: DrainFlags,
): Promise<Answer> {
  const waiting = await coreRuntime.queue.inspection.waiting(queue);
  const json = { queue, waiting: waitingToJson(waiting) };
  const count = waiting.ready + waiting.scheduled + waiting.held;
  if (!flags.yes && count > 0)
    return {
      text: renderDrain(queue, waiting),
      json: { ...json, discarded: 0, isConfirmed: false },
      exitStatus: EXIT_UNCONFIRMED,
    };
  const discarded = await coreRuntime.queue.inspection.drain(queue, signal);
  return {
    text: `${formatCount(discarded, 'job')} of the queue ${queue} discarded; what runs goes on, what is dead stays`,
    json: { ...json, discarded, isConfirmed: true },
  };
}

async function redrive({ coreRuntime }: CommandContext, queue: string, limit: number): Promise<Answer> {
  const redriven = await coreRuntime.queue.inspection.redrive(queue, limit);
  const left = await coreRuntime.queue.inspection.list({ queue, state: 'dead', limit: 1 });
  const more = left.length === 0 ? '' : '; there are more, or their unique keys are taken';
  return {
    text: `${formatCount(redriven, 'dead job')} of the queue ${queue} redriven${more}`,
    json: { queue, redriven, isAnyLeft: left.length > 0 },
  };
}

/** @param act what a command with one argument does */
function addOne(
  jobs: Command,
  name: string,
  description: string,
  act: (context: CommandContext, argument: string) => Promise<Answer>,
): void {
  addInstallationFlags(jobs.command(name).description(description)).action(
    (argument: string, flags: InstallationFlags) =>
      onInstallation(flags, (context) => act(context, argument)),
  );
}

export function addJobsCommands(program: Command): void {
  const jobs = addFamily(program, 'jobs', 'Look at jobs, and run or discard them by hand.');
  const limit = (text: string, most: number) =>
    new Option('--limit <n>', text).argParser(wholeNumber(1, LIST_MAX)).default(most);

  addInstallationFlags(
    jobs
      .command('ls')
      .description('List jobs, newest first: waiting, running, dead and finished.')
      .option('--queue <name>', 'of this queue only')
      .addOption(new Option('--state <state>', 'in this state only').choices(STATES))
      .option('--workspace <id>', 'of this workspace only')
      .addOption(limit('at most so many', LIST_DEFAULT))
      .option('--before <id>', 'only jobs older than this one: how a list goes on'),
  ).action((flags: ListFlags) => {
    assertId('--workspace', flags.workspace);
    assertId('--before', flags.before);
    return onInstallation(flags, (context) => list(context, flags));
  });
  addOne(jobs, 'show <id>', 'Show all that is known of a job.', async ({ coreRuntime }, id) => {
    const job = await coreRuntime.queue.inspection.show(id);
    return { text: renderJob(job), json: jobToJson(job) };
  });
  addOne(jobs, 'why <id>', 'Say what a job waits for.', why);
  addOne(jobs, 'retry <id>', 'Run a dead job again, or a scheduled one now.', retry);
  addOne(jobs, 'discard <id>', 'Discard a job that waits or is dead.', discard);
  addInstallationFlags(
    jobs
      .command('drain <queue>')
      .description('Say which jobs of a queue wait, and with --yes discard them all.')
      .option('--yes', 'discard them'),
  ).action((queue: string, flags: DrainFlags) =>
    onInstallation(flags, (context) => drain(context, queue, flags)),
  );
  addInstallationFlags(
    jobs
      .command('redrive <queue>')
      .description('Run the dead jobs of a queue again, newest first.')
      .addOption(limit('at most so many', LIST_MAX)),
  ).action((queue: string, flags: InstallationFlags & { limit: number }) =>
    onInstallation(flags, (context) => redrive(context, queue, flags.limit)),
  );
}
