import type { Static } from 'typebox';
import Type from 'typebox';
import { optionsSchema } from '#base/options';
import { urlOption } from '#base/options/url';

export const databaseOptions = optionsSchema(
  {
    primary: Type.Optional(
      urlOption('postgres', {
        description:
          'Address of a Postgres 17 or newer to use instead of the embedded one. Its login must be able to create roles and schemas, or find `loadstone_owner`, `loadstone_app` and `loadstone_system` made and granted to it.',
      }),
    ),
    replicas: Type.Array(urlOption('postgres'), {
      default: [],
      maxItems: 8,
      description:
        'Addresses of streaming standbys of `primary`, for reads that need not be `strong`. Each costs 2 × `poolMax` and one more connections on it.',
    }),
    replicaLagMsMax: Type.Integer({
      minimum: 1000,
      maximum: 60_000,
      default: 5000,
      description: 'How old the data of a replica may be that answers; one further behind gets no reads.',
    }),
    standbys: Type.Integer({
      minimum: 0,
      maximum: 2,
      default: 0,
      description:
        'Streaming standbys that the embedded Postgres has beside it, for reads and for promotion.',
    }),
    poolMax: Type.Integer({
      minimum: 1,
      maximum: 100,
      default: 10,
      description: 'Connections per role and process. Group commit stops gaining at about ten; more hurt.',
    }),
    waitMax: Type.Integer({
      minimum: 1,
      maximum: 100_000,
      default: 1000,
      description: 'Requests that may wait for a connection; one more gets `database_busy`.',
    }),
    statementTimeoutMs: Type.Integer({
      minimum: 100,
      maximum: 3_600_000,
      default: 30_000,
      description: 'Upper bound of any statement and of any transaction, kept by Postgres itself.',
    }),
    startTimeoutMs: Type.Integer({
      minimum: 1000,
      maximum: 3_600_000,
      default: 120_000,
      description: 'How long the start waits for the database, crash recovery and migrations included.',
    }),
  },
  'The database: an embedded Postgres, unless `primary` names another.',
);

export type DatabaseOptions = Static<typeof databaseOptions>;
