export {
  type BoundedRow,
  type EventsRead,
  isWholeRead,
  type ReadBound,
  toUnplacedEvent,
  type UnplacedEvent,
} from './bounded-read.ts';
export type { Handler } from './consumer/batches.ts';
export type { Consumer, ConsumerDefinition, ConsumerLag, StartAt } from './consumer/consumer.ts';
export { streamErrors } from './errors.ts';
export {
  bucketOfKey,
  comparePositions,
  POSITION_MIN,
  type StreamEvent,
  type StreamInfo,
} from './event.ts';
export {
  assertMadeEvent,
  createEventReader,
  defineEvent,
  type EventDefinition,
  type EventOptions,
  type NewEvent,
  type StoredEvent,
  streamOf,
  type TypedEvent,
  type UncheckedEvent,
} from './event-definition.ts';
export { parseEventType } from './event-type.ts';
export {
  type AsideEvent,
  assertKept,
  type Cursor,
  lockAside,
  moveGroup,
  type OnItsWay,
  readAside,
  readCursors,
  readHead,
  readLog,
  readStream,
  selectAhead,
} from './log-reads.ts';
export { streamMigrations } from './migrations.ts';
export { eventBytes } from './model.ts';
export { type StreamOptions, streamOptions } from './options.ts';
export type { Appended, AppendRow, OpenedGroup, ParkedEvent, StreamHead, StreamStore } from './store.ts';
export { createPostgresStreams } from './stores/postgres.ts';
export { createStreams, type Group, type GroupOverview, type Streams, type StreamsDeps } from './streams.ts';
export type { FollowOptions, Tail, TailOptions } from './tail.ts';
