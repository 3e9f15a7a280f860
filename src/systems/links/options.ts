import type { Static } from 'typebox';
import Type from 'typebox';
import { optionsSchema } from '#base/options';
import { codeSpaceOptions } from '#blocks/ids';

export const linksOptions = optionsSchema(
  {
    browserMaxAgeS: Type.Integer({
      minimum: 0,
      maximum: 31_536_000,
      default: 90,
      description:
        'How long a browser may keep a redirect (`Cache-Control: max-age`); shortened so that it never outlives the link.',
    }),
    cacheEntriesMax: Type.Integer({
      minimum: 1,
      maximum: 10_000_000,
      default: 50_000,
      description: 'Redirects kept in memory, about 0.5 KB each.',
    }),
    cacheTtlMs: Type.Integer({
      minimum: 0,
      maximum: 3_600_000,
      default: 30_000,
      description:
        'How long a kept redirect is answered without asking the database. A change made by this process is seen at once, one made by another as soon as the log tells of it, and in any case after this long.',
    }),
    staleMsMax: Type.Integer({
      minimum: 0,
      maximum: 86_400_000,
      default: 3_600_000,
      description: 'How old a kept redirect may be when the database cannot be reached; older ones get 503.',
    }),
    codes: codeSpaceOptions,
  },
  'Short links and their redirects.',
);

export type LinksOptions = Static<typeof linksOptions>;
