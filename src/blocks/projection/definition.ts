/**
 * What a projection is: a table that events make, and the query that says what it should hold.
 */
import assert from 'node:assert/strict';
import { identifier, type Queryable, type Sql } from '#blocks/database';
import {
  createEventReader,
  type EventDefinition,
  type StreamEvent,
  streamOf,
  type TypedEvent,
} from '#blocks/stream';

/** An event that may still wait in the outbox, and so has no place in the log yet. */
export type ProjectionEvent = Omit<StreamEvent, 'position' | 'partition'>;

/** An event of a projection, as its definition reads it. */
export type ProjectedEvent<Definition extends EventDefinition> = TypedEvent<Definition, ProjectionEvent>;

/**
 * Has the effects of the events on `table`, all in `tx`, and none elsewhere: it is also run on copies of the table, by
 * `verify` and `rebuild`. Events come in any batches, those of one key in their order. What it does must follow from the
 * events and the table alone: it must neither read the truth, which is ahead of them, nor the time.
 * @param table the table, or a copy of it: to be spliced into each statement instead of its name
 */
export type Apply<Event = ProjectionEvent> = (
  events: readonly Event[],
  tx: Queryable,
  table: Sql,
) => Promise<void>;

export interface ProjectionDefinition {
  /** Unique in the server, and the name of its consumer group: lower-case letters, digits, underscores; at most 40. */
  readonly name: string;
  /** The schema of the table. */
  readonly system: string;
  /** Has a primary key and neither triggers, foreign keys nor identity columns. Nothing else writes to it. */
  readonly table: string;
  /** Declared before the projections are started. */
  readonly stream: string;
  /** Of events as they are stored; reads those that the projection follows. */
  readonly apply: Apply;
  /** The rows as they should be: a query whose columns are named as those of the table, in any order. */
  readonly truth: Sql;
  /**
   * A condition on the columns of the primary key: of the rows for which it holds the raw rows have been given up by
   * retention. There the table itself is the truth: `rebuild` carries them over, and `verify` does not compare them.
   */
  readonly settled?: Sql;
  /** Columns that the truth does not have. They are not compared, and a rebuild gives them their defaults. */
  readonly uncompared?: readonly string[];
}

/** A table's own name has at most so many characters, so that there is room for what is added to it. */
const TABLE_LENGTH_MAX = 50;

/** A projection as it is declared. */
export interface ProjectionDeclaration<Definitions extends readonly EventDefinition[]>
  extends Omit<ProjectionDefinition, 'stream' | 'apply'> {
  /** The events that it is made from, of one stream; `apply` is given no others. */
  readonly on: Definitions;
  readonly apply: Apply<ProjectedEvent<Definitions[number]>>;
}

/**
 * Declares a projection. What is wrong with its names is a programmer error. An event that its definition cannot read is
 * one that `apply` refuses.
 */
export function defineProjection<const Definitions extends readonly EventDefinition[]>(
  declaration: ProjectionDeclaration<Definitions>,
): ProjectionDefinition {
  const { on, apply, ...definition } = declaration;
  const { name, system, table, uncompared = [] } = definition;
  assert.match(name, /^[a-z][a-z0-9_]{0,39}$/, `not the name of a projection: ${name}`);
  assert(table.length <= TABLE_LENGTH_MAX, `the name of the table is too long: ${table}`);
  for (const each of [system, table, ...uncompared]) identifier(each);
  const stream = streamOf(on);
  const read = createEventReader(on);
  return Object.freeze({
    ...definition,
    stream,
    async apply(events, tx, into) {
      const typed = read(events);
      if (typed.length > 0) await apply(typed, tx, into);
    },
  } satisfies ProjectionDefinition);
}

export const liveName = ({ system, table }: ProjectionDefinition) => `${system}.${table}`;
/** The name of the shadow, in the schema of the table. */
export const shadowTable = ({ table }: ProjectionDefinition) => `${table}_shadow`;
export const shadowName = (definition: ProjectionDefinition) =>
  `${definition.system}.${shadowTable(definition)}`;
