import type { Static } from 'typebox';
import Type from 'typebox';
import { optionsSchema } from '#base/options';

export const leasesOptions = optionsSchema(
  {
    leaseMs: Type.Integer({
      minimum: 500,
      maximum: 600_000,
      default: 5000,
      description:
        'How long a leading process may be silent before another takes over. It beats two and a half times as often. After a crash, what only one process does (the relay) stands still for this long.',
    }),
  },
  'Leases: what only one process at a time does.',
);

export type LeasesOptions = Static<typeof leasesOptions>;
