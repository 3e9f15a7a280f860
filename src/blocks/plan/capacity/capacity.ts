/**
 * What one machine can do, as `loadstone calibrate` has measured it: the file that plans are made with.
 */
import Type, { type Static, type TSchema } from 'typebox';
import { listProblems } from '#base/options/schema';
import { compileSchema } from '#base/options/validate';
import { planCapacityErrors } from './errors.ts';

const closed = { additionalProperties: false } as const;
const exact = <P extends Record<string, TSchema>>(properties: P, description?: string) =>
  Type.Object(properties, { ...closed, ...(description === undefined ? {} : { description }) });

const Amount = (description: string) => Type.Number({ minimum: 0, maximum: 1e12, description });
/** The kinds of requests that a plan knows. */
export const ROUTE_NAMES = ['redirectHit', 'redirectMiss', 'read', 'list', 'create'] as const;

/** Null where the machine does not tell, which is all but Linux. */
const Cpu = (description: string) => Type.Union([Amount(description), Type.Null()]);
const Text = Type.String({ minLength: 1, maxLength: 200 });

const Estimate = exact({
  value: Amount('The best fit.'),
  low: Amount('Lower end of the 95 % interval.'),
  high: Amount('Upper end.'),
});

const Scalability = exact({
  lambda: Estimate,
  sigma: Estimate,
  kappa: Estimate,
  deviation: Amount('Root mean square of relative deviations.'),
});

const Points = Type.Array(
  exact({
    concurrency: Type.Number({ minimum: 1, maximum: 1e6 }),
    perS: Amount('Answered in a second.'),
  }),
  { maxItems: 100 },
);

const curve = {
  serverCpuUs: Cpu('CPU time of the server process for each when many are under way, in microseconds.'),
  postgresCpuUs: Cpu('CPU time of all processes of Postgres for each.'),
  points: Points,
  scalability: Type.Union([Scalability, Type.Null()], {
    description: 'The universal scalability law; null where the points do not follow it.',
  }),
};

const Route = exact({
  ...curve,
  kneePerS: Amount('The highest rate at which the rule of `knee` held.'),
  kneeP99Ms: Amount('The 99th percentile of latency at that rate, from the intended time.'),
  serviceMs: Amount('Median time from sending to the answer, one request at a time.'),
  limitedBy: Type.Union([Type.Literal('server'), Type.Literal('generator')], {
    description: 'What gave way first; with `generator`, the server can do more than this.',
  }),
});

const Block = exact({ ...curve, perS: Amount('The highest throughput measured.') });

const calibrationSchema = exact({
  format: Type.Literal(1),
  label: Type.String({ minLength: 1, maxLength: 500, description: 'What this is, for people.' }),
  source: Type.Union([Type.Literal('measured'), Type.Literal('estimated')]),
  measuredAt: Type.String({ minLength: 1, maxLength: 40, description: 'RFC 3339, UTC.' }),
  version: Text,
  commit: Type.Union([Text, Type.Null()]),
  node: Text,
  machine: exact({ cpu: Text, cores: Amount('Logical ones.'), memoryGib: Amount('GiB.'), system: Text }),
  placement: exact({
    serverCores: Amount('Cores that the server and its Postgres had together.'),
    generatorApart: Type.Boolean({ description: 'Whether the generator had a core of its own.' }),
  }),
  knee: exact({
    p99MsMax: Amount('Latency that 99 of 100 answers stay below.'),
    answeredShareMin: Type.Number({
      minimum: 0,
      maximum: 1,
      description: 'Share of requests answered well.',
    }),
    seconds: Amount('How long each rate was held.'),
  }),
  routes: exact({
    redirectHit: Route,
    redirectMiss: Route,
    create: Route,
    read: Route,
    list: Route,
  }),
  blocks: exact({
    jobs: Block,
    events: Block,
    pointReads: Block,
    inserts: Block,
  }),
  quality: Type.Optional(
    exact(
      {
        othersShareMax: Amount('The most that other processes and the host had of all cores during a point.'),
        repeated: Amount('Points that were measured again.'),
        disturbed: Type.Array(Text, {
          maxItems: 20,
          description: 'Routes and blocks that stayed disturbed.',
        }),
        contradictions: Type.Array(Type.String({ minLength: 1, maxLength: 400 }), { maxItems: 50 }),
      },
      'How quiet the machine was; absent in older files.',
    ),
  ),
  systems: Type.Optional(
    Type.Record(
      Type.String({ minLength: 1, maxLength: 100 }),
      Type.Record(Type.String({ minLength: 1, maxLength: 100 }), Route),
      {
        maxProperties: 100,
        description: 'Further routes of systems, by the operations of their models.',
      },
    ),
  ),
});

/**
 * One machine's capacity. `routes` are of one system for each kind of request, and stand for that of all. `redirectHit` is
 * answered before the framework and needs no database, `redirectMiss` does.
 */
export type Calibration = Static<typeof calibrationSchema>;
export type RouteCapacity = Static<typeof Route>;
export type BlockCapacity = Static<typeof Block>;
export type RouteName = keyof Calibration['routes'];
export type BlockName = keyof Calibration['blocks'];

const validator = compileSchema(calibrationSchema);

/**
 * Reads the text of a calibration file.
 * @param name of the file, for the message
 * @throws calibration_invalid
 */
export function parseCalibration(text: string, name: string): Calibration {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw planCapacityErrors.calibration_invalid({ detail: `${name} is no JSON`, cause });
  }
  const problem = listProblems(calibrationSchema, value, validator)[0];
  if (problem === undefined) return value as Calibration;
  const path = problem.pointer.split('/').slice(1).join('.') || 'the whole';
  throw planCapacityErrors.calibration_invalid({ detail: `${name}: ${path}: ${problem.detail}` });
}
