/**
 * Events by their definitions: what makes them, checked against the schema, and what reads them out of the log, upgraded
 * and checked again. Pure.
 */
import assert from 'node:assert/strict';
import type { Static, TSchema } from 'typebox';
import { definePayload, type Versions } from '#base/options/payload';
import type { JsonValue } from '#base/values/json';
import { streamErrors } from './errors.ts';
import { assertName } from './event.ts';
import { formatEventType, parseEventType } from './event-type.ts';

/** An event that is to be written, whoever has made it. */
export interface UncheckedEvent {
  /** Declared at the start of the program (`streams.declare`). */
  readonly stream: string;
  /** Such as `order.placed`: 1 to 100 characters. */
  readonly type: string;
  /** Events of one workspace and key stay in order: the id of the aggregate, 1 to 255 characters. */
  readonly key: string;
  /** At most 256 KiB as JSON. */
  readonly payload: JsonValue;
}

/** On everything that a definition has made. */
export const MADE: unique symbol = Symbol('made by the definition of an event');

/** What `publish` takes: an event that its definition has made (`definition.of`). */
export interface NewEvent extends UncheckedEvent {
  readonly [MADE]: true;
}

/** What a definition reads: an event of the log, or one that waits for it. */
export interface StoredEvent {
  readonly id?: string;
  readonly type: string;
  readonly payload: JsonValue;
}

export interface EventOptions<Payload> extends Versions {
  readonly stream: string;
  /** Events of one workspace and key stay in order: the id of the aggregate. */
  readonly key: (payload: Payload) => string;
}

/** What an event of this name is. Declared once by the system that publishes it, and given to whoever follows it. */
export interface EventDefinition<Name extends string = string, Payload = unknown> {
  readonly name: Name;
  readonly stream: string;
  readonly version: number;
  readonly schema: TSchema;
  /** The event for `publish`. @throws event_payload_invalid */
  of(payload: Payload): NewEvent;
  /**
   * The payload of an event of this name, in the present version.
   * @throws event_payload_unreadable, event_version_unknown
   */
  read(stored: StoredEvent): Payload;
}

/** A stored event as its definition reads it; `version` is the one that it was written in. */
export type TypedEvent<Definition extends EventDefinition, Stored> = Definition extends EventDefinition
  ? Omit<Stored, 'type' | 'payload'> & {
      readonly type: Definition['name'];
      readonly version: number;
      readonly payload: ReturnType<Definition['read']>;
    }
  : never;

/** Room for the version in a type of 100 characters. */
const NAME_LENGTH_MAX = 90;

/**
 * Declares an event.
 * @param schema of the payload. Leave it open (no `additionalProperties: false`): then a field that may be missing can be
 *   added without a new version, and older processes still read the event
 */
export function defineEvent<const Name extends string, S extends TSchema>(
  name: Name,
  schema: S,
  options: EventOptions<Static<S>>,
): EventDefinition<Name, Static<S>> {
  const { stream, key } = options;
  assertName('event', name);
  assert(name.length <= NAME_LENGTH_MAX, `the name of an event has at most ${NAME_LENGTH_MAX}: ${name}`);
  assertName('stream', stream);
  const payloads = definePayload(`event ${name}`, schema, options);
  const { version } = payloads;
  const type = formatEventType(name, version);
  return Object.freeze({
    ...{ name, stream, version, schema },
    of(payload: Static<S>): NewEvent {
      if (payloads.fits(payload)) return { [MADE]: true, stream, type, key: key(payload), payload };
      const detail = `${type}: ${payloads.describeMisfit(payload)}`;
      throw streamErrors.event_payload_invalid({ detail });
    },
    read(stored: StoredEvent): Static<S> {
      const written = parseEventType(stored.type);
      assert.equal(written.name, name, 'an event is read by its own definition');
      const read = payloads.read(stored.payload, written.version);
      if (read.kind === 'read') return read.payload;
      const detail = `${stored.type} ${stored.id ?? ''}: ${read.detail}`;
      if (read.kind === 'unknown_version') throw streamErrors.event_version_unknown({ detail });
      throw streamErrors.event_payload_unreadable({ detail, cause: read.cause });
    },
  });
}

/** For callers without types. */
export function assertMadeEvent(event: UncheckedEvent): void {
  assert(MADE in event, `${event.type} is not made by its definition: publish(definition.of(payload))`);
}

/** The one stream of these definitions. */
export function streamOf(definitions: readonly EventDefinition[]): string {
  const [first] = definitions;
  assert(first, 'at least one event is followed');
  const names = new Set(definitions.map(({ name }) => name));
  assert.equal(names.size, definitions.length, `an event is followed twice: ${[...names].join(', ')}`);
  for (const { name, stream } of definitions)
    assert.equal(stream, first.stream, `${name} is on another stream than ${first.name}`);
  return first.stream;
}

/**
 * Reads those events that have one of the definitions, in their order; the others are left out.
 * @throws event_payload_unreadable, event_version_unknown
 */
export function createEventReader<const Definitions extends readonly EventDefinition[]>(
  definitions: Definitions,
): <Stored extends StoredEvent>(
  events: readonly Stored[],
) => readonly TypedEvent<Definitions[number], Stored>[] {
  const byName = new Map<string, EventDefinition>(definitions.map((each) => [each.name, each]));

  function read<Stored extends StoredEvent>(
    events: readonly Stored[],
  ): readonly TypedEvent<Definitions[number], Stored>[];
  function read(events: readonly StoredEvent[]): readonly unknown[] {
    return events.flatMap((event) => {
      const { name: type, version } = parseEventType(event.type);
      const definition = byName.get(type);
      return definition ? [{ ...event, type, version, payload: definition.read(event) }] : [];
    });
  }
  return read;
}
