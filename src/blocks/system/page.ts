/**
 * The shapes of a list: what it is asked, and what it answers.
 */
import Type, { type TProperties, type TSchema } from 'typebox';
import { CURSOR_CHARS_MAX, PAGE_LIMITS } from './options.ts';

export { PAGE_LIMITS };

const closed = { additionalProperties: false } as const;

/** A page of a list; `nextCursor` is null only at the end. */
export interface Page<Item> {
  items: Item[];
  nextCursor: string | null;
}

/** What is asked for, as `pageQuery` reads it. */
export interface PageQuery {
  limit?: number;
  cursor?: string;
}

/**
 * The query of a list: `limit` and `cursor`, and what else the list may be asked.
 * @param more by what it is filtered; a cursor goes on in the same order, whatever the filter
 */
export function pageQuery<P extends TProperties = Record<never, never>>(
  { limitDefault, limitMax }: { limitDefault: number; limitMax: number } = PAGE_LIMITS,
  more: P = {} as P,
) {
  return Type.Object(
    {
      ...more,
      limit: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: limitMax,
          default: limitDefault,
          description: 'How many at most.',
        }),
      ),
      cursor: Type.Optional(
        Type.String({ maxLength: CURSOR_CHARS_MAX, description: 'The `nextCursor` of the page before.' }),
      ),
    },
    closed,
  );
}

/** The reply of a list. @param item with a `title` (`Order`): the page is called after it (`OrderPage`) */
export function pageOf<T extends TSchema>(item: T) {
  const { title } = item as { title?: string };
  return Type.Object(
    {
      items: Type.Array(item),
      nextCursor: Type.Union([Type.String(), Type.Null()], {
        description: 'For `cursor` of the next request; null only at the end.',
        examples: [null],
      }),
    },
    { ...closed, ...(title === undefined ? {} : { title: `${title}Page` }) },
  );
}
