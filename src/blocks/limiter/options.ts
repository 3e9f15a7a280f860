import type { Static } from 'typebox';
import Type from 'typebox';
import { optionsSchema } from '#base/options';

/** A limit, as the options of the room that has it. @param defaults its numbers @param what it counts, for the reference */
export function limitOptions(
  defaults: { quota: number; windowMs: number; keysMax: number },
  what: { counted: string; keys: string; description: string },
) {
  return optionsSchema(
    {
      quota: Type.Integer({
        minimum: 1,
        maximum: 1_000_000,
        default: defaults.quota,
        description: `So many ${what.counted} at once; one more gets 429.`,
      }),
      windowMs: Type.Integer({
        minimum: 100,
        maximum: 86_400_000,
        default: defaults.windowMs,
        description: 'In this time as many come back, one by one.',
      }),
      keysMax: Type.Integer({
        minimum: 1,
        maximum: 10_000_000,
        default: defaults.keysMax,
        description: `So many ${what.keys} are remembered, about 0.1 KB each; past that the one that was counted longest ago is forgotten.`,
      }),
    },
    what.description,
  );
}

export type LimitOptions = Static<ReturnType<typeof limitOptions>>;
