/**
 * What a request has to fit: compiled from the schemas of its route.
 */
import type { TSchema } from 'typebox';
import type { FieldProblem } from '#base/errors';
import { listProblems } from '#base/options/schema';
import { compileSchema, fillDefaults } from '#base/options/validate';
import { serverErrors } from '../errors.ts';
import { readTextValues } from '../text-values.ts';

const POINTER_PREFIX: Record<string, string> = { querystring: '?', params: ':' };

/** Query and path arrive as text and are converted; a body is taken as it is. */
export function compileValidator({ schema, httpPart }: { schema: unknown; httpPart?: string }) {
  const type = schema as TSchema;
  const validator = compileSchema(type);
  const isText = httpPart !== 'body';
  return (input: unknown): { value: unknown } | { error: Error } => {
    const value = isText ? fillDefaults(type, readTextValues(type, input as Record<string, unknown>)) : input;
    const problems = listProblems(type, value, validator);
    if (problems.length === 0) return { value };
    const prefix = POINTER_PREFIX[httpPart ?? ''];
    const errors: FieldProblem[] = problems.map(({ pointer, detail }) => ({
      pointer: prefix === undefined ? pointer : `${prefix}${pointer.slice(1)}`,
      detail,
    }));
    return { error: serverErrors.request_invalid({ errors, detail: describe(errors[0]) }) };
  };
}

function describe(problem: FieldProblem | undefined): string {
  return problem ? `${problem.pointer || 'the body'} ${problem.detail}` : 'the request does not fit';
}
