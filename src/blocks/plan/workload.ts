/**
 * The workload: what people will do, in numbers that a team can know. Read from YAML; unknown keys and impossible values are
 * refused with the path, the value and what is allowed.
 */
import type { Static, TSchema } from 'typebox';
import Type from 'typebox';
import { optionsSchema } from '#base/options';
import { listProblems, shorten } from '#base/options/schema';
import { fillDefaults } from '#base/options/validate';
import { planErrors } from './errors.ts';
import type { SystemModel } from './system-model.ts';
import { BYTES_PATTERN } from './units.ts';

const PER_DAY_MAX = 1e6;
const CUSTOM_MAX = 100;

const bytes = (description: string, preset?: string | number) =>
  Type.Union([Type.Integer({ minimum: 0, maximum: 1e15 }), Type.String({ pattern: BYTES_PATTERN })], {
    allowed: 'a number of bytes, or a size such as 500 KB (1 KB = 1,000 bytes) up to PB',
    description,
    ...(preset === undefined ? {} : { default: preset }),
  });

const percent = (description: string, preset?: number) =>
  Type.Number({
    minimum: 0,
    maximum: 100,
    description,
    ...(preset === undefined ? {} : { default: preset }),
  });

const perUserPerDay = Type.Number({
  minimum: 0,
  maximum: PER_DAY_MAX,
  description: 'How often a daily user does it, on average.',
});

const properties = {
  name: Type.Optional(Type.String({ minLength: 1, maxLength: 200, description: 'What the plan is called.' })),
  users: Type.Object(
    {
      daily: Type.Integer({ minimum: 1, maximum: 1e11, description: 'People who use it on a day.' }),
      growthPercentPerYear: Type.Number({
        minimum: 0,
        maximum: 10_000,
        default: 0,
        description: 'How many more each year.',
      }),
    },
    { additionalProperties: false },
  ),
  peakFactor: Type.Number({
    minimum: 1,
    maximum: 1000,
    default: 3,
    description: 'The busiest second to the average one.',
  }),
  horizonYears: Type.Number({
    minimum: 0,
    maximum: 20,
    default: 1,
    description: 'How long the topology is to hold: users have grown, and rows gathered, for so long.',
  }),
  availability: optionsSchema({
    targetPercent: percent('Share of the time that the whole is to be there.', 99.9),
    serverPercent: percent(
      'Share of the time that one server is there. The default is what Amazon promises for one EC2 instance.',
      99.5,
    ),
    dependsOnPercents: Type.Array(percent('One other service.'), {
      default: [],
      maxItems: 100,
      description: 'Other services without which nothing works: in series.',
    }),
  }),
  latency: optionsSchema({
    hitMs: Type.Number({ minimum: 0, maximum: 60_000, default: 0.25, description: 'A read from a cache.' }),
    missMs: Type.Number({
      minimum: 0,
      maximum: 60_000,
      default: 10,
      description: 'A read from the database.',
    }),
    targetMeanMs: Type.Optional(
      Type.Number({ minimum: 0, maximum: 60_000, description: 'What reads are to take on average.' }),
    ),
  }),
  machine: optionsSchema({
    memoryBytes: bytes('Memory of a server.', '16 GB'),
    diskBytes: bytes('Disk of a server.', '2 TB'),
    networkBitsPerS: Type.Number({
      minimum: 1e6,
      maximum: 1e12,
      default: 1e9,
      description: 'Bandwidth of a server, each way.',
    }),
  }),
  systems: Type.Optional(Type.Object({})),
  custom: Type.Optional(Type.Object({})),
};

const workloadSchema = Type.Object(properties, { additionalProperties: false });

const cacheHitPercent = percent('Share of these reads that a cache answers.', 0);
const hotPercent = percent('Share of what is read in a day that a cache holds: the hot set.', 20);
const retentionDays = Type.Optional(
  Type.Integer({ minimum: 1, maximum: 36_500, description: 'How long it is kept; without it, for ever.' }),
);

/** What a workload says of one operation of a system that has a model. */
const knownOperation = Type.Object(
  {
    perUserPerDay,
    payloadBytes: Type.Optional(bytes('The part whose size depends on the use, such as a text.')),
    cacheHitPercent,
  },
  { additionalProperties: false },
);

/** A system of the team's own, of which Loadstone knows nothing but this. */
const customSystem = optionsSchema({
  actionsPerUserPerDay: Type.Optional(
    Type.Number({ minimum: 0, maximum: PER_DAY_MAX, description: 'Reads and writes together.' }),
  ),
  readsPerWrite: Type.Optional(
    Type.Number({
      minimum: 0,
      maximum: 1e9,
      description: 'How the actions divide; all are reads without it.',
    }),
  ),
  hotPercent,
  retentionDays,
  read: optionsSchema({
    perUserPerDay: Type.Optional(perUserPerDay),
    requestBytes: bytes('Request on the wire.', 500),
    responseBytes: bytes('Answer on the wire.', 1000),
    cacheHitPercent,
    consistency: Type.Union([Type.Literal('strong'), Type.Literal('session'), Type.Literal('eventual')], {
      default: 'session',
      description: 'strong reads are answered by the primary only.',
    }),
  }),
  write: optionsSchema({
    perUserPerDay: Type.Optional(perUserPerDay),
    requestBytes: bytes('Request on the wire, without the object.', 1000),
    responseBytes: bytes('Answer on the wire.', 500),
    rowBytes: bytes('What a write leaves in the database.', 500),
    objectBytes: bytes('What it leaves in an object store: a picture, a file.', 0),
    events: Type.Number({ minimum: 0, maximum: 1000, default: 1, description: 'Events of a write.' }),
    jobs: Type.Number({ minimum: 0, maximum: 1000, default: 0, description: 'Jobs of a write.' }),
  }),
});

export type CustomWorkload = Static<typeof customSystem>;
export type OperationWorkload = Static<typeof knownOperation>;

export interface KnownWorkload {
  hotPercent: number;
  retentionDays?: number | undefined;
  operations: Readonly<Record<string, OperationWorkload>>;
}

export interface Workload extends Omit<Static<typeof workloadSchema>, 'systems' | 'custom'> {
  systems: Readonly<Record<string, KnownWorkload>>;
  custom: Readonly<Record<string, CustomWorkload>>;
}

function invalid(detail: string): Error {
  return planErrors.workload_invalid({ detail });
}

function readAs<S extends TSchema>(schema: S, raw: unknown, at = ''): Static<S> {
  const filled = fillDefaults(schema, structuredClone(raw ?? {}));
  const problem = listProblems(schema, filled)[0];
  if (problem === undefined) return filled as Static<S>;
  const path = [at, ...problem.pointer.split('/').slice(1)].filter(Boolean).join('.') || 'workload';
  throw invalid(`${path}: ${problem.detail}`);
}

function readKnown(model: SystemModel, raw: unknown, at: string): KnownWorkload {
  const operations = Object.fromEntries(
    Object.keys(model.operations).map((name) => [name, Type.Optional(knownOperation)]),
  );
  const schema = Type.Object({ hotPercent, retentionDays, ...operations }, { additionalProperties: false });
  const {
    hotPercent: hot,
    retentionDays: retention,
    ...given
  } = readAs(schema, raw, at) as Record<string, unknown> & { hotPercent: number; retentionDays?: number };
  return {
    hotPercent: hot,
    retentionDays: retention,
    operations: given as Record<string, OperationWorkload>,
  };
}

function readCustom(raw: unknown, at: string): CustomWorkload {
  const parsed = readAs(customSystem, raw, at);
  const each = parsed.read.perUserPerDay ?? parsed.write.perUserPerDay;
  if (parsed.actionsPerUserPerDay === undefined && each === undefined) {
    throw invalid(`${at}: says neither actionsPerUserPerDay nor how often it is read or written`);
  }
  if (parsed.actionsPerUserPerDay !== undefined && each !== undefined) {
    throw invalid(
      `${at}: says actionsPerUserPerDay and perUserPerDay of an operation; allowed is one of them`,
    );
  }
  if (parsed.readsPerWrite !== undefined && parsed.actionsPerUserPerDay === undefined) {
    throw invalid(`${at}.readsPerWrite: divides actionsPerUserPerDay, which is not there`);
  }
  return parsed;
}

function entriesOf(raw: unknown): [string, unknown][] {
  return Object.entries((raw ?? {}) as Record<string, unknown>);
}

/**
 * Reads a workload, as it comes from YAML, and fills in defaults.
 * @param models of the systems that it may name
 * @throws workload_invalid with one line that names the path, the value and what is allowed
 */
export function readWorkload(raw: unknown, models: readonly SystemModel[]): Workload {
  const { systems, custom, ...rest } = readAs(workloadSchema, raw);
  const known = entriesOf(systems).map(([name, given]): [string, KnownWorkload] => {
    const model = models.find((each) => each.name === name);
    if (model) return [name, readKnown(model, given, `systems.${name}`)];
    const names = models.map((each) => each.name).join(', ');
    throw invalid(
      `systems.${name}: is not known here (value ${shorten(given)}); known is ${names}; your own go under custom`,
    );
  });
  const own = entriesOf(custom).map(([name, given]): [string, CustomWorkload] => {
    if (/^[a-z][a-z0-9_]{0,62}$/.test(name)) return [name, readCustom(given, `custom.${name}`)];
    throw invalid(
      `custom.${shorten(name)}: allowed are small letters, digits and underscores, a letter first`,
    );
  });
  if (own.length > CUSTOM_MAX) throw invalid(`custom: ${own.length} systems; at most ${CUSTOM_MAX}`);
  if (known.length + own.length === 0)
    throw invalid(
      `workload: names no system; give ${models.map(({ name }) => `systems.${name}`).join(', ') || 'systems'} or custom`,
    );
  const double = own.find(([name]) => known.some(([other]) => other === name));
  if (double) throw invalid(`custom.${double[0]}: is also under systems`);
  return { ...rest, systems: Object.fromEntries(known), custom: Object.fromEntries(own) };
}
