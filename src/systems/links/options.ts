import type { Static } from 'typebox';
import Type, { type TString } from 'typebox';
import { optionsSchema } from '#base/options';
import { codeSpaceOptions } from '#blocks/ids';

function pageText(maxLength: number, text: string, description: string): TString {
  return Type.String({
    maxLength,
    pattern: '^[^\\u0000-\\u0009\\u000b-\\u001f\\u007f]*$',
    allowed: `text of at most ${maxLength} characters; of control characters only line ends`,
    default: text,
    description,
  });
}

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
    trailingSlash: Type.Union([Type.Literal('redirect'), Type.Literal('not_found')], {
      default: 'redirect',
      description: '`/{code}/` is answered like `/{code}`, or with 404.',
    }),
    codes: codeSpaceOptions,
    pages: optionsSchema(
      {
        unknownTitle: pageText(
          100,
          'There is no such link',
          'Heading of the page for a code that no link has.',
        ),
        unknownText: pageText(
          1000,
          'Perhaps a part of the address is missing, or has been typed wrong: capital and small letters are not the same here.',
          'What it says.',
        ),
        goneTitle: pageText(
          100,
          'This link is gone',
          'Heading of the page for a link that is expired or deleted.',
        ),
        goneText: pageText(1000, 'It has expired, or whoever made it has taken it back.', 'What it says.'),
      },
      'What people are told who follow a dead or unknown link; programs get the problem document. Shown as it is, not as HTML.',
    ),
  },
  'Short links and their redirects.',
);

export type LinksOptions = Omit<Static<typeof linksOptions>, 'trailingSlash'> & {
  trailingSlash: 'redirect' | 'not_found';
};
