import type { Static } from 'typebox';
import Type from 'typebox';
import { optionsSchema } from '#base/options';

export const registryOptions = optionsSchema(
  {
    beatMs: Type.Integer({
      minimum: 100,
      maximum: 60_000,
      default: 4000,
      description: 'How often a process says that it lives.',
    }),
    silentMsMax: Type.Integer({
      minimum: 500,
      maximum: 3_600_000,
      default: 10_000,
      description: 'A process that has been silent for so long counts as lost.',
    }),
    forgetMs: Type.Integer({
      minimum: 1000,
      maximum: 2_592_000_000,
      default: 3_600_000,
      description: 'How long lost processes are still listed.',
    }),
  },
  'The registry of processes.',
);

export type RegistryOptions = Static<typeof registryOptions>;
