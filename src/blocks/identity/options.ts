import type { Static } from 'typebox';
import { optionsSchema } from '#base/options';
import { limitOptions } from '#blocks/limiter';

export const identityOptions = optionsSchema(
  {
    unknownKeys: limitOptions(
      { quota: 100, windowMs: 10_000, keysMax: 10_000 },
      {
        counted: 'different API keys that do not exist may come from one address (of IPv6, from one /64)',
        keys: 'addresses',
        description:
          'How often an address may ask for API keys that do not exist. Keys that this process has known go on whatever else comes from their address.',
      },
    ),
  },
  'API keys.',
);

export type IdentityLimits = Static<typeof identityOptions>;
