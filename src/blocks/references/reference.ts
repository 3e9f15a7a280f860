/**
 * What a reference is: rows of one system that name what another one keeps. Declared once, without dependencies; what is
 * given here are the two systems' own statements.
 */
import assert from 'node:assert/strict';
import type { Reader } from '#blocks/database';
import type { MutationTx } from '#blocks/mutation';
import {
  createEventReader,
  type EventDefinition,
  type StreamEvent,
  streamOf,
  type TypedEvent,
} from '#blocks/stream';

/** A row that refers. */
export interface ReferringRow {
  /** Unique among the referring rows of all workspaces. */
  readonly id: string;
  readonly workspaceId: string;
  /** Of the row. */
  readonly bucket: number;
  /** The target's id, up to 200 characters. */
  readonly to: string;
}

/** What an event tells of a deletion; where it stands in the log says nothing about that. */
export type TargetEvent = Pick<StreamEvent, 'workspaceId' | 'type' | 'key' | 'payload'>;

/** The side that refers. */
export interface Referring {
  system: string;
  /**
   * Referring rows of all workspaces, in the order of their ids, after that id or from the first one; at most `limit`.
   * Those that refer to nothing are left out.
   */
  page(reader: Reader, after: string | undefined, limit: number): Promise<readonly ReferringRow[]>;
  /** Rows of the workspace that refer to any of these targets; at most `limit`. By an index on the reference. */
  of(
    reader: Reader,
    workspaceId: string,
    toIds: readonly string[],
    limit: number,
  ): Promise<readonly ReferringRow[]>;
}

/** The side that is referred to. */
export interface Target {
  system: string;
  /** Which of these are there. */
  living(reader: Reader, workspaceId: string, ids: readonly string[]): Promise<readonly string[]>;
}

export interface Removal {
  /**
   * The system's own rule of removal, in a mutation, so that it publishes its own events. The rows are of one workspace
   * and bucket, and were read before: removes those that are there and still refer to their `to`, and gives how many.
   */
  remove(tx: MutationTx, rows: readonly ReferringRow[]): Promise<number>;
}

/** What tells of deletions: made by `deletionsOf`. */
export interface Deletion {
  /** Where the system publishes its deletions. */
  stream: string;
  /** The target that the event, as it is stored, says is gone; undefined for any other event. */
  deletedBy(event: TargetEvent): string | undefined;
}

/**
 * By which events of its stream a system tells that a target is gone.
 * @param deletedBy the target that the event says is gone; undefined if it says so of none
 */
export function deletionsOf<const Definitions extends readonly EventDefinition[]>(
  on: Definitions,
  deletedBy: (event: TypedEvent<Definitions[number], TargetEvent>) => string | undefined,
): Deletion {
  const read = createEventReader(on);
  return {
    stream: streamOf(on),
    deletedBy(stored) {
      const [event] = read([stored]);
      return event && deletedBy(event);
    },
  };
}

export interface GuardedReference {
  /** Unique: lower-case letters, digits and `_`, at most 50. */
  readonly name: string;
  readonly from: Readonly<Referring>;
  readonly to: Readonly<Target>;
  /**
   * `restrict`: what is referred to is not deleted, see `References.assertFree`. `keep`: it may be, and the rows stay as
   * they are; they are counted.
   */
  readonly onDelete: 'restrict' | 'keep';
}

export interface CascadingReference {
  readonly name: string;
  readonly from: Readonly<Referring & Removal>;
  readonly to: Readonly<Target & Deletion>;
  /** Rows are removed after what they refer to. */
  readonly onDelete: 'cascade';
}

/** A declared reference, by what becomes of its rows when their target is deleted. */
export type Reference = GuardedReference | CascadingReference;

const NAME = /^[a-z][a-z0-9_]{0,49}$/;

/** Declares a reference. What keeps it is made by `createReferences`. */
export function references<Declared extends Reference>(declaration: Declared): Declared {
  assert.match(declaration.name, NAME, `not the name of a reference: ${declaration.name}`);
  Object.freeze(declaration);
  return declaration;
}
