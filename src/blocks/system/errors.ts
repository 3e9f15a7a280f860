import { defineErrors } from '#base/errors';

export const systemErrors = defineErrors('system', {
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
