/**
 * What a system tells drills of itself: what its clients do, what its answers mean, how what it has acknowledged is read
 * back, and what must hold. Drills run whatever systems are on by this alone.
 *
 * The runner draws operations by seed, and each item that they work on is a register: creations and changes write its
 * value, a removal writes nothing, reads find it. It promises, and checks, for every system that has a drill:
 * - A creation is sent under an Idempotency-Key, and again under it until its outcome is known. It makes one item.
 * - What was acknowledged is there in the end: items by the list, and each write in the log where `events` names its types.
 * - Reads of routes that declare `strong` fit into one order with all writes of their item; `session` too on one database.
 * - Reads of routes that declare an age are no older than that, and go on from memory while the database is cut off.
 * - Routes that declare `refuse` refuse with a code and Retry-After while the database is cut off.
 * - Every job that an operation leaves is done once.
 */
import type { Random } from '#base/random';
import type { WhenPartitioned } from './defaults.ts';
import type { RouteShape } from './route.ts';

export interface SystemDrill {
  /**
   * Makes what its items need, before the first of them; once for each drill.
   * @param send gives the good answer to a request with the workspace's key, and throws for any other
   */
  prepare?(send: (request: DrillRequest) => Promise<DrillAnswer>): Promise<void>;
  /** What clients do, by name. */
  operations: Readonly<Record<string, DrillOperation>>;
  /** How its items are read back; without it nothing that it keeps is checked. */
  readBack?: ReadBack;
  /** The log of its items, by their ids as keys. */
  events?: DrillEvents;
  /** Makes a value from a text that no other write has: at most 80 characters of `[A-Za-z0-9_/-]`. Default: the text. */
  toValue?(unique: string): string;
  /** Its options in loadstone.yaml where a drill starts the servers, such as short times that make stale answers seen. */
  options?: Readonly<Record<string, unknown>>;
  /** How old what its stale routes answer may be by its options: while all is well, and while the database is cut off. */
  staleMs?(options: Readonly<Record<string, unknown>>): StaleMs;
  /** What must hold of its own figures once all is quiet. */
  invariants?(seen: DrillSeen): readonly DrillInvariant[];
}

export interface StaleMs {
  well: number;
  cut: number;
}

/** A route's shape; of a path before the framework, what it declares in the same words. */
export interface DrilledRoute extends Partial<Pick<RouteShape, 'consistency'>> {
  id: string;
  whenPartitioned?: WhenPartitioned;
}

interface OperationBase {
  route: DrilledRoute;
  /** How often it is drawn, in proportion to all operations of all systems; those of one system come to about 100. */
  weight: number;
  /** The queue in which each time leaves one job. */
  job?: string;
}

/** On an item: one that it makes, or one that was made before. */
interface ItemOperation extends OperationBase {
  effect: 'create' | 'change' | 'remove' | 'read';
  /** Of what it makes: it ends by itself, so nothing else is done with it. */
  isBrief?: true;
  /** @param value what a creation or a change writes */
  request(item: DrilledItem, value: string, random: Random): DrillRequest;
  /** What its good answer tells. */
  learn?(answer: DrillAnswer, item: DrilledItem): Learnt;
}

/** On no item, and changes nothing. */
interface LookOperation extends OperationBase {
  effect: 'look';
  request(): DrillRequest;
}

/** On no item, and leaves something that is not read back, such as a job. */
interface WorkOperation extends OperationBase {
  effect: 'work';
  request(): DrillRequest;
}

export type DrillOperation = ItemOperation | LookOperation | WorkOperation;

/** Something that the drill has asked for, as the system's operations see it. */
export interface DrilledItem {
  /** Empty until a creation has told it. */
  readonly id: string;
  /** What requests and answers have left. */
  readonly remembered: Readonly<Record<string, string>>;
}

/** The runner adds the key of the workspace, the Idempotency-Key of a creation and the Content-Type of a body. */
export interface DrillRequest {
  method: string;
  /** Path and query, as they go over the wire. */
  path: string;
  headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent without a key. */
  isPublic?: true;
  /** For the item, whatever the answer. */
  remember?: Readonly<Record<string, string>>;
}

export interface DrillAnswer {
  status: number;
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>;
  /** Empty where the answer has no JSON object. */
  body: Readonly<Record<string, unknown>>;
}

export interface Learnt {
  /** Of what a creation has made. */
  id?: string;
  /** What a read has found; 404 and 410 find nothing, whatever this says. */
  value?: string | undefined;
  remember?: Readonly<Record<string, string>>;
  /** The wall clock of the server at a creation, in Unix milliseconds, where the answer tells. */
  serverMs?: number | undefined;
}

/** The body of a good answer to a GET with the workspace's key. @throws for any other */
export type DrillGet = <T>(path: string) => Promise<T>;

export interface ReadBack {
  /** Of the list. */
  route: DrilledRoute;
  /** Every item of the workspace, with what it holds. */
  list(get: DrillGet): AsyncIterable<readonly [id: string, value: string]>;
  /** The value of one item, by another route than the list's: a sample is read so too. */
  one?(get: DrillGet, id: string): Promise<string>;
  /** For `invariants`: whole numbers, none below 0. */
  figures?(get: DrillGet): Promise<Readonly<Record<string, number>>>;
}

export interface DrillEvents {
  stream: string;
  created: string;
  changed?: string;
  removed?: string;
  /** Told once by the job of an item whose creation has left one. */
  byJob?: string;
}

export interface DrillSeen {
  /** How many items the list has, those from before the drill among them. */
  listed: number;
  figures: Readonly<Record<string, number>>;
}

export interface DrillInvariant {
  /** A sentence that is true while it holds. */
  claim: string;
  figures: string;
  /** What contradicts it; none while it holds. */
  problems: readonly string[];
}
