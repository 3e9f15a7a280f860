/**
 * `loadstone groups`: how far the consumers of the streams are, and what becomes of events that they could not handle.
 */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { BIGINT_MAX } from '#base/values/bigint';
import { toTime } from '#base/values/time';
import {
  comparePositions,
  type Group,
  type GroupOverview,
  type OpenedGroup,
  type ParkedEvent,
  POSITION_MIN,
} from '#blocks/stream';
import type { CoreRuntime } from '#server/core-runtime';
import {
  type Answer,
  addFamily,
  addInstallationFlags,
  type CommandContext,
  type InstallationFlags,
  onInstallation,
  wholeNumber,
} from './command.ts';
import { cliErrors } from './errors.ts';
import { alignColumns, formatCount, formatSpan, formatTime, oneLine } from './text/text.ts';

const PARKED_MAX = 1000;
const PARKED_DEFAULT = 50;
const ERROR_LENGTH_MAX = 80;

interface ListedGroup extends OpenedGroup, GroupOverview {}

async function lookAt(
  { streams }: CoreRuntime,
  stream: string,
  group: string,
): Promise<[Group, GroupOverview]> {
  const found = streams.group(stream, group);
  const overview = await found.look();
  if (overview) return [found, overview];
  throw cliErrors.group_missing({
    detail: `no consumer has opened a group ${group} of the stream ${stream}`,
  });
}

function renderGroups(groups: readonly ListedGroup[], nowMs: number): string {
  if (groups.length === 0) return 'no groups';
  const head = ['STREAM', 'GROUP', 'LAG', 'OLDEST', 'PARTITIONS', 'EXPIRED', 'MEMBERS', 'PARKED'];
  const rows = groups.map(({ stream, group, lagEvents, oldestMs, partitions, members, parked }) => [
    stream,
    group,
    String(lagEvents),
    oldestMs === undefined ? '-' : formatSpan(Math.max(0, nowMs - oldestMs)),
    String(partitions.length),
    String(partitions.filter(({ isExpired }) => isExpired).length),
    String(members.length),
    String(parked),
  ]);
  return alignColumns([head, ...rows]);
}

function groupToJson({ oldestMs, ...group }: ListedGroup) {
  const partitions = group.partitions.map((each) => ({ ...each, member: each.member ?? null }));
  return { ...group, oldestAt: toTime(oldestMs), partitions };
}

async function list({ coreRuntime, clock }: CommandContext): Promise<Answer> {
  const groups: ListedGroup[] = [];
  for (const place of await coreRuntime.streams.groups()) {
    const overview = await coreRuntime.streams.group(place.stream, place.group).look();
    if (overview) groups.push({ ...place, ...overview });
  }
  return { text: renderGroups(groups, clock.nowMs()), json: { items: groups.map(groupToJson) } };
}

function renderParked(events: readonly ParkedEvent[]): string {
  const head = ['POSITION', 'PARKED', 'ATTEMPTS', 'BEHIND', 'WORKSPACE', 'TYPE', 'KEY', 'ERROR'];
  const rows = events.map(({ event, attempts, error, parkedAt, behind }) => [
    event.position,
    formatTime(parkedAt.getTime()),
    String(attempts),
    String(behind),
    event.workspaceId,
    oneLine(event.type),
    oneLine(event.key),
    oneLine(error, ERROR_LENGTH_MAX),
  ]);
  return alignColumns([head, ...rows]);
}

function parkedToJson({ event, attempts, error, parkedAt, behind }: ParkedEvent) {
  return { ...event, attempts, error, parkedAt, behind };
}

interface ParkedFlags extends InstallationFlags {
  limit: number;
  after?: string;
}

async function parked(
  { coreRuntime }: CommandContext,
  stream: string,
  name: string,
  { limit, after }: ParkedFlags,
): Promise<Answer> {
  const [group] = await lookAt(coreRuntime, stream, name);
  const events = await group.parked({ limit, ...(after === undefined ? {} : { after }) });
  const next = events.length === limit ? events.at(-1)?.event.position : undefined;
  const more = next === undefined ? '' : `\nlater ones: --after ${next}`;
  return {
    text: events.length === 0 ? 'no parked events' : `${renderParked(events)}${more}`,
    json: { items: events.map(parkedToJson), nextAfter: next ?? null },
  };
}

function assertAllParked(asked: number, found: number): void {
  if (found === asked) return;
  throw cliErrors.event_not_parked({
    detail: `${found} of ${asked} events were parked at these positions; the others were not`,
  });
}

async function redrive(
  { coreRuntime }: CommandContext,
  stream: string,
  name: string,
  positions: readonly string[],
): Promise<Answer> {
  const [group] = await lookAt(coreRuntime, stream, name);
  const wanted = new Set(positions);
  const redriven = await group.redrive(wanted.size === 0 ? undefined : [...wanted]);
  if (wanted.size > 0) assertAllParked(wanted.size, redriven);
  const text = `${formatCount(redriven, 'parked event')} of ${stream}/${name} redriven`;
  return { text, json: { stream, group: name, redriven } };
}

async function discard(
  { coreRuntime }: CommandContext,
  stream: string,
  name: string,
  positions: readonly string[],
): Promise<Answer> {
  const [group] = await lookAt(coreRuntime, stream, name);
  const wanted = new Set(positions);
  const discarded = await group.discard([...wanted]);
  assertAllParked(wanted.size, discarded);
  const text = `${formatCount(discarded, 'parked event')} of ${stream}/${name} discarded`;
  return { text, json: { stream, group: name, discarded } };
}

async function seek(
  { coreRuntime }: CommandContext,
  stream: string,
  name: string,
  to: string,
): Promise<Answer> {
  const [group] = await lookAt(coreRuntime, stream, name);
  const head = await coreRuntime.streams.head();
  const position = { earliest: POSITION_MIN, latest: head }[to] ?? to;
  if (comparePositions(position, head) > 0) {
    throw cliErrors.position_ahead({
      detail: `position ${position} is ahead of the log, which is at ${head}`,
    });
  }
  await group.seek(position);
  const from = position === POSITION_MIN ? 'from the first event kept' : `after position ${position}`;
  return { text: `${stream}/${name} goes on ${from}`, json: { stream, group: name, position } };
}

function parsePosition(text: string): string {
  if (/^(0|[1-9]\d{0,18})$/.test(text) && comparePositions(text, BIGINT_MAX) <= 0) return text;
  throw new InvalidArgumentError('Allowed is a position: a whole number.');
}

const parsePositions = (text: string, before: readonly string[] = []) => [...before, parsePosition(text)];
function parsePlace(text: string): string {
  if (['earliest', 'latest'].includes(text)) return text;
  try {
    return parsePosition(text);
  } catch {
    throw new InvalidArgumentError('Allowed are earliest, latest, and a position: a whole number.');
  }
}

export function addGroupsCommands(program: Command): void {
  const groups = addFamily(
    program,
    'groups',
    'Look at consumer groups of streams, and treat the events they have parked.',
  );
  const make = (name: string, description: string) =>
    addInstallationFlags(groups.command(name).description(description));
  const makeOfGroup = (name: string, description: string) =>
    make(name, description)
      .argument('<stream>', 'name of the stream')
      .argument('<group>', 'name of the group');

  make('ls', 'List all groups: how far behind they are, who works on them, what they have parked.').action(
    (flags: InstallationFlags) => onInstallation(flags, list),
  );
  makeOfGroup('parked', 'List events that a group has given up on, oldest first.')
    .addOption(
      new Option('--limit <n>', 'at most so many')
        .argParser(wholeNumber(1, PARKED_MAX))
        .default(PARKED_DEFAULT),
    )
    .option('--after <position>', 'only events after this one: how a list goes on', parsePosition)
    .action((stream: string, group: string, flags: ParkedFlags) =>
      onInstallation(flags, (context) => parked(context, stream, group, flags)),
    );
  makeOfGroup('redrive', 'Have parked events tried again, all of them or those at these positions.')
    .argument('[position...]', 'of parked events', parsePositions)
    .action((stream: string, group: string, positions: string[] | undefined, flags: InstallationFlags) =>
      onInstallation(flags, (context) => redrive(context, stream, group, positions ?? [])),
    );
  makeOfGroup('discard', 'Drop parked events for good; those behind them go on.')
    .argument('<position...>', 'of parked events', parsePositions)
    .action((stream: string, group: string, positions: string[], flags: InstallationFlags) =>
      onInstallation(flags, (context) => discard(context, stream, group, positions)),
    );
  makeOfGroup('seek', 'Have a group go on elsewhere. Effects it has had already come again, or are left out.')
    .argument('<position>', 'earliest, latest, or the position after which it goes on', parsePlace)
    .action((stream: string, group: string, to: string, flags: InstallationFlags) =>
      onInstallation(flags, (context) => seek(context, stream, group, to)),
    );
}
