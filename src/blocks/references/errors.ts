import { defineErrors } from '#base/errors';

export const referencesErrors = defineErrors('references', {
  reference_held: {
    status: 409,
    title: 'Something still refers to it',
    doc: 'It cannot be deleted while rows of another system refer to it. The detail names the reference and the first of those rows: delete them, or have them refer to something else, first.',
  },
  reference_target_missing: {
    status: 422,
    title: 'What is referred to is not there',
    doc: 'A row was to refer to something that does not exist in this workspace, or has been deleted. The detail names the reference and the ids.',
  },
  reference_unknown: {
    status: 404,
    title: 'There is no such reference',
    doc: 'No system that is switched on declares a reference of that name.',
  },
  reference_not_removed: {
    status: 500,
    title: 'Referring rows could not be removed',
    retryable: true,
    doc: 'What rows refer to is gone, but the rule that removes them left all of them where they are, several times. The job is tried again, and is dead in the end. It is a defect of the system that declares the reference.',
  },
});
