import type { Static } from 'typebox';
import Type from 'typebox';
import { optionsSchema } from '#base/options';

const LINES = '^[^\\u0000-\\u0009\\u000b-\\u001f\\u007f]*$';
const LINES_ALLOWED =
  'text of at most 1000 characters; line ends are kept, other control characters are not allowed';

export const pagesOptions = optionsSchema(
  {
    language: Type.String({
      pattern: '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$',
      allowed: 'a language tag such as en or pt-BR',
      default: 'en',
      description: 'The language that the texts of the pages are in.',
    }),
    name: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 100,
        pattern: '^[^\\u0000-\\u001f\\u007f]*$',
        allowed: 'a line of 1 to 100 characters',
        description: 'What people call this host; default: the host of `publicUrl`.',
      }),
    ),
    home: Type.String({
      maxLength: 1000,
      pattern: LINES,
      allowed: LINES_ALLOWED,
      default: 'A Loadstone server runs here.',
      description: 'What `/` tells a person.',
    }),
    footer: Type.String({
      maxLength: 1000,
      pattern: LINES,
      allowed: LINES_ALLOWED,
      default: '',
      description: 'The end of each page, such as whom to ask.',
    }),
  },
  'What the host shows to people in a browser: `/`, and what systems answer them before the framework, such as that something is unknown or gone. Texts are shown as they are, not as HTML.',
);

export type PagesOptions = Static<typeof pagesOptions>;
