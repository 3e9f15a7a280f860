import { defineErrors } from '#base/errors';

export const systemErrors = defineErrors('system', {
  precondition_malformed: {
    status: 400,
    title: 'The precondition cannot be read',
    doc: '`If-Match` and `If-None-Match` take `*`, or entity tags in quotes as an `ETag` had them, separated by commas: `"3"`, `"3", "4"`, `W/"3"`. Nothing was done.',
  },
});
