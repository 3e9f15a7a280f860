/**
 * The ports of this block. One engine so far, on Postgres; it passes store.suite.ts.
 *
 * Positions are decimal strings, and belong to the whole log: of two events of any streams the later one has the higher
 * position. Whoever has read up to a position has missed nothing below it: see `append`.
 */
import type { Queryable, Sql } from '#blocks/database';
import type { StreamEvent, StreamInfo } from './event.ts';

/** A row that `append` takes, by the names of its columns. */
export interface AppendRow {
  /** Any number that grows in the order in which the events are to stand. */
  seq: string;
  event_id: string;
  workspace_id: string;
  created_at: Date;
  stream_id: number;
  /** Length of the payload as text, in bytes. */
  bytes: number;
  /** Within the stream's number of partitions. */
  partition: number;
  bucket: number;
  type: string;
  key: string;
  traceparent: string | null;
  payload: string;
}

export interface StreamHead {
  streamId: number;
  position: string;
}

export interface Appended {
  count: number;
  /** The `seq` of the last event appended; undefined when there was none. */
  lastSeq: string | undefined;
  /** The newest position of each stream that grew. */
  heads: readonly StreamHead[];
  /** The transaction's own id. */
  xid: bigint;
  /** The lowest transaction id that was still under way when the events were read. */
  xidMin: bigint;
}

export interface Cursor {
  partition: number;
  /** The position up to which all is known. */
  after: string;
}

export interface ReadLimit {
  eventsMax: number;
  /** Far below `eventsMax` it saves reading what is then cut off; the caller widens it where it binds. */
  perPartitionMax: number;
  /** Of payload. One event is always read, if there is any. */
  bytesMax: number;
}

export interface ReadResult {
  events: StreamEvent[];
  /** Whether that is all there was, and no limit cut anything off. */
  isWhole: boolean;
}

/** A range of positions that retention drops as a whole. */
export interface Segment {
  segment: number;
  fromPosition: string;
  /** Exclusive. */
  toPosition: string;
  madeAtMs: number;
  /** When it was found to be full, or was ended before; undefined while events may still come. */
  sealedAtMs: number | undefined;
  /** On disk, with indexes. */
  bytes: number;
}

export interface LogStore {
  /** Makes the stream, or finds it. All callers get the same one, for ever, with the partitions of the first. */
  declare(name: string, partitions: number): Promise<StreamInfo>;
  find(name: string): Promise<StreamInfo | undefined>;
  /**
   * Appends the rows that `events` gives, in the order of `seq`, inside `tx`. `events` is a query, such as a `delete …
   * returning`, so that an engine in the same database need not carry payloads to the process and back.
   *
   * Only the relay appends, in a transaction fenced by its lease. Positions are given under a lock that is held until
   * that transaction ends; so they become visible in their order, and a reader that has seen one sees no lower one later.
   */
  append(tx: Queryable, events: Sql<AppendRow>): Promise<Appended>;
  /** The newest position of the log; 0 when it is empty. */
  head(): Promise<string>;
  /** The heads of those streams that have grown past `after`. */
  headsAfter(after: string): Promise<StreamHead[]>;
  /** The lowest position that retention has not reached: everything from it on is kept. */
  firstKept(): Promise<string>;
  /** Events after the cursors, ordered by position: of each partition the next ones, none left out. */
  read(stream: StreamInfo, cursors: readonly Cursor[], limit: ReadLimit): Promise<ReadResult>;
  /** The events of one key after a position, oldest first. Retention leaves out the oldest. */
  readKey(
    stream: StreamInfo,
    of: { workspaceId: string; key: string },
    after: string,
    eventsMax: number,
  ): Promise<StreamEvent[]>;
  /**
   * A position that every event created at `timeMs` or later comes after. Few older ones do: writers' clocks differ, so
   * the log is not quite in the order of time.
   */
  positionBefore(stream: StreamInfo, timeMs: number): Promise<string>;
  /** How many events the cursors have before them, counted up to a bound, and when the oldest was created. */
  lag(
    stream: StreamInfo,
    cursors: readonly Cursor[],
    perPartitionMax: number,
  ): Promise<{ events: number; oldestMs: number | undefined }>;

  /** Oldest first. */
  segments(): Promise<Segment[]>;
  /** Adds a segment of so many positions after the last one, unless the segments reach `until`. */
  addSegment(positions: number, options: { until: string; nowMs: number }): Promise<void>;
  /** Ends all segments before `position`, by moving the head on if it is not there yet. */
  sealBefore(position: string, nowMs: number): Promise<void>;
  /**
   * Drops the oldest segment, which is sealed. False when the log was too busy for it. Partitions that have events in it
   * before them become `isExpired`, are free, and get a new epoch, atomically with the drop.
   */
  dropSegment(segment: number): Promise<boolean>;
  /** The groups that have events in the segment before them, as `stream/group`. */
  unreadIn(segment: Segment): Promise<string[]>;
}

/** A partition as it is now. */
export interface PartitionState {
  partition: number;
  holder: string | undefined;
  epoch: number;
  position: string;
  /** Whether events after `position` have been dropped unread. It stays so until the group seeks. */
  isExpired: boolean;
}

export interface GroupState {
  /** With the beat of each: it stands still when a member is dead. */
  members: readonly { member: string; beat: string }[];
  partitions: readonly PartitionState[];
}

/** A partition held by this member: `epoch` is the fence. */
export interface Hold {
  readonly partition: number;
  readonly epoch: number;
}

/** How far a held partition moves. `from` and `to` may be equal, to fence what is done at one place. */
export interface Move extends Hold {
  readonly from: string;
  readonly to: string;
}

/** One group of one stream. */
export interface GroupStore {
  /** Makes the group, with each partition at `position`. No effect on one that is there. */
  open(position: string): Promise<void>;
  /** Undefined for a group that nobody has opened. */
  look(): Promise<GroupState | undefined>;
  /**
   * Moves the member's beat, and looks; the member itself may be seen as it was before. Who is not a member, or is not any
   * more, becomes one.
   */
  beat(member: string): Promise<GroupState | undefined>;
  /** Gives up the member's partitions, with new epochs, and its place. */
  leave(member: string): Promise<void>;
  /** Removes a member whose beat is still the one `seen`; false when it has beaten since. */
  evict(member: string, seen: string): Promise<boolean>;
  /**
   * Takes those of the partitions that still have the epoch `seen`, and raises it. Gives them as they are then: a batch
   * of the holder before has either been committed, and is in `position`, or never will be.
   */
  take(member: string, seen: readonly Hold[]): Promise<PartitionState[]>;
  /** Frees the partitions that are still held so, with new epochs. */
  release(holds: readonly Hold[]): Promise<void>;
  /**
   * Inside the transaction that has the effects: moves the partitions on. All or nothing: if one has another epoch, or
   * is at another position than `from`, the transaction must not be committed.
   * @throws consumer_fenced
   */
  advance(tx: Queryable, moves: readonly Move[]): Promise<void>;
  /**
   * Puts all partitions at `position` with new epochs, and forgets what was set aside after it: that comes again. None is
   * expired any more.
   */
  seek(position: string): Promise<void>;
}

/** A key that a group has set aside, by its first event. */
export interface AsideKey {
  partition: number;
  workspaceId: string;
  key: string;
  /** Of the first event; 0 for one that only waited behind another. */
  attempts: number;
  retryAtMs: number;
  isParked: boolean;
}

export interface AsideEvent {
  event: StreamEvent;
  attempts: number;
  retryAtMs: number;
  isParked: boolean;
}

export interface NewAside {
  event: StreamEvent;
  attempts: number;
  retryAtMs: number;
  parkedAtMs?: number | undefined;
  error?: string | undefined;
}

/** A parked event, for people. */
export interface ParkedEvent {
  event: StreamEvent;
  attempts: number;
  error: string;
  parkedAt: Date;
  /** Later events of the same key that wait for it. */
  behind: number;
}

export interface AsideFailure {
  /** As it was when it was tried; another number means that somebody else has touched it. */
  attemptsBefore: number;
  retryAtMs: number;
  parkedAtMs: number | undefined;
  error: string;
}

/** What one group of one stream has set aside. */
export interface AsideStore {
  /** The keys set aside in these partitions, and how many events there are of each partition. */
  load(partitions: readonly number[]): Promise<{ keys: AsideKey[]; events: ReadonlyMap<number, number> }>;
  /** In the transaction that moves their partitions past them. */
  add(tx: Queryable, events: readonly NewAside[]): Promise<void>;
  /** The first events of a key, locked until the transaction ends. */
  first(tx: Queryable, of: AsideKey, eventsMax: number): Promise<AsideEvent[]>;
  /** Removes what has been handled. @throws consumer_fenced when not all of it was there */
  done(tx: Queryable, events: readonly AsideEvent[]): Promise<void>;
  /** Writes down a further failure of the first event of a key. @throws consumer_fenced */
  failed(tx: Queryable, event: StreamEvent, failure: AsideFailure): Promise<void>;
  /** Parked events after a position, oldest first. */
  parked(after: string, eventsMax: number): Promise<ParkedEvent[]>;
  /** Has parked events tried again, at once. All of them without positions. @returns how many */
  redrive(positions: readonly string[] | undefined, nowMs: number): Promise<number>;
  /** Drops parked events for good; what waits behind them goes on. @returns how many */
  discard(positions: readonly string[] | undefined): Promise<number>;
}

/** The engine of a log. */
/** A consumer group that has been opened. */
export interface OpenedGroup {
  stream: string;
  group: string;
  /** How many events it has parked; counted up to 10,000. */
  parked: number;
}

export interface StreamStore extends LogStore {
  /** Of all streams, by stream and name. */
  groups(): Promise<OpenedGroup[]>;
  group(stream: StreamInfo, name: string): GroupStore;
  aside(stream: StreamInfo, groupName: string): AsideStore;
}
