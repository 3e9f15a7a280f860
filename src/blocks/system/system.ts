/**
 * A system: one product on the blocks. Systems of this repository and of others are made the same way.
 */
import assert from 'node:assert/strict';
import type { Static, TObject } from 'typebox';
import type { Lifecycle } from '#base/lifecycle';
import type { Metrics } from '#base/metrics';
import type { Runtime } from '#base/runtime';
import type { Database } from '#blocks/database';
import type { CodeSpace, CodeSpaceOptions, Ids } from '#blocks/ids';
import type { SystemModel } from '#blocks/plan';
import type { ProjectionDefinition } from '#blocks/projection';
import type { DefinedQueue, DefinedSchedule } from '#blocks/queue';
import type { Guards, Reference } from '#blocks/references';
import type { Streams } from '#blocks/stream';
import type { SystemCalibration } from './calibrate.ts';
import type { SystemDrill } from './drill.ts';
import type { FirstSteps } from './first-steps.ts';
import type { HandledQueue } from './job.ts';
import type { RawRoute } from './raw.ts';
import type { Route } from './route.ts';

/** What every system is given. */
export interface SystemDeps extends Runtime {
  metrics: Metrics;
  /** For reads: what is written goes through `mutate` of a call or a job. */
  database: Pick<Database, 'reader' | 'anonymous'>;
  ids: Ids;
  /**
   * Opens a space of short codes: unique, and not to be guessed.
   * @param name the system's, or begins with it and `_`
   */
  codes: (name: string, options: CodeSpaceOptions) => CodeSpace;
  /** For following what is told, as by a cache that must not outlive what it has kept; effects are made by projections. */
  streams: Pick<Streams, 'follow'>;
  /** What keeps declared references, for the mutations on both of their sides. */
  references: Guards;
  /** The address under which the outside reaches this server, without a trailing slash. */
  publicUrl: string;
  /** The `host:port` that the server listens on. */
  listen: string;
}

export interface System {
  /** Of both kinds: `handleRoute`, and `handleRaw` for what is answered past the framework. */
  routes: readonly (Route | RawRoute)[];
  lifecycle?: Lifecycle;
  /** Who carries out the jobs of the system's queues: of each of them one (`handleQueue`). */
  jobs?: readonly HandledQueue[];
}

export interface SystemDefinition<S extends TObject = TObject> {
  /** Lower-case letters, digits and `_`; also the name of its Postgres schema and its key in loadstone.yaml. */
  name: string;
  /** One sentence for the reference. */
  summary: string;
  /** Made with `optionsSchema`. */
  options: S;
  /** The directory of its numbered migrations; undefined when it keeps nothing. */
  migrations?: URL;
  /** The streams that it publishes to; a name is the system's, or begins with it and `_`. */
  streams?: readonly StreamDefinition[];
  /** Its queues, named in the same way. */
  queues?: readonly DefinedQueue[];
  /** Of its own queues. */
  schedules?: readonly DefinedSchedule[];
  projections?: readonly ProjectionDefinition[];
  /** From its rows to those of other systems. */
  references?: readonly Reference[];
  /** What it costs, for plans; called as the system is. */
  model?: SystemModel;
  /** How it is loaded and what must hold of it, for drills. */
  drill?: SystemDrill;
  /** What is measured of it on a machine. */
  calibrate?: SystemCalibration;
  /** What a person is told to try once the server listens. */
  firstSteps?: FirstSteps;
  create(options: Static<S>, deps: SystemDeps): System;
}

export interface StreamDefinition {
  name: string;
  /** Fixed once the stream is there; default 16. */
  partitions?: number;
}

const RESERVED_NAMES = new Set([
  'core',
  'public',
  'information_schema',
  'data',
  'database',
  'http',
  'listen',
  'log',
  'systems',
]);

/** Declares a system. A module that `systems:` names exports one as its default. */
export function defineSystem<S extends TObject>(definition: SystemDefinition<S>): SystemDefinition<S> {
  assert.match(
    definition.name,
    /^[a-z][a-z0-9_]{0,40}$/,
    'a system name is lower-case letters, digits and _',
  );
  assert(
    !definition.name.startsWith('pg_') && !RESERVED_NAMES.has(definition.name),
    `${definition.name} is reserved`,
  );
  const { name, streams = [], queues = [], schedules = [], projections = [], references = [] } = definition;
  for (const part of [...streams, ...queues, ...schedules, ...projections, ...references]) {
    const isOwn = part.name === name || part.name.startsWith(`${name}_`);
    assert(isOwn, `${part.name} of the system ${name} must be called ${name} or begin with ${name}_`);
  }
  const { model } = definition;
  assert(model === undefined || model.name === name, `the model of ${name} is called ${model?.name}`);
  return Object.freeze({ ...definition });
}
