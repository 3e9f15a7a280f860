import { defineErrors } from '#base/errors';

export const systemErrors = defineErrors('system', {
  cursor_invalid: {
    status: 400,
    title: 'The cursor is not valid',
    doc: '`cursor` is not a `nextCursor` that this list has given in this order. Start again without one.',
  },
  precondition_failed: {
    status: 412,
    title: 'It has another version',
    doc: '`If-Match` names other versions than the current one, or `If-None-Match` names it. Nothing was done. Read it again, and send its new `ETag`.',
  },
  version_unfit: {
    status: 422,
    title: 'The request does not fit the newer version',
    doc: 'It fits the older version of the route that it was sent to, but not the newer one, which answers for both and allows less. `errors` lists each field by its pointer in the newer version.',
  },
  precondition_malformed: {
    status: 400,
    title: 'The precondition cannot be read',
    doc: '`If-Match` and `If-None-Match` take `*`, or entity tags in quotes as an `ETag` had them, separated by commas: `"3"`, `"3", "4"`, `W/"3"`. Nothing was done.',
  },
});
