/**
 * Operating errors: what can go wrong although the program is right. Each has a code that never changes its
 * meaning; the HTTP layer turns it into a problem document (RFC 9457). Programmer errors are asserts instead.
 */
import assert from 'node:assert/strict';

/** What is wrong with one part of the input; `pointer` is a JSON pointer (RFC 6901) or `?name` for a query field. */
export interface FieldProblem {
  pointer: string;
  detail: string;
}

export interface ErrorDefinition {
  status: number;
  title: string;
  /** One or two sentences for the error reference: when it comes, and what to do. */
  doc: string;
  /** Whether the same request may succeed later, unchanged. */
  retryable?: boolean;
  /** Part of everyday life where every request counts: made without a stack, which took 12 % of such an answer. */
  isCommon?: boolean;
}

export interface ErrorDetails {
  detail?: string;
  errors?: FieldProblem[];
  /** Sent as `Retry-After`. */
  retryAfterS?: number;
  /** Further response headers, such as `Allow`. */
  headers?: Record<string, string>;
  cause?: unknown;
}

export class LoadstoneError extends Error {
  readonly code: string;
  readonly status: number;
  readonly title: string;
  readonly retryable: boolean;
  readonly errors: FieldProblem[] | undefined;
  readonly retryAfterS: number | undefined;
  readonly headers: Record<string, string>;

  constructor(code: string, definition: ErrorDefinition, details: ErrorDetails) {
    super(details.detail ?? definition.title, { cause: details.cause });
    this.name = 'LoadstoneError';
    this.code = code;
    this.status = definition.status;
    this.title = definition.title;
    this.retryable = definition.retryable ?? false;
    this.errors = details.errors;
    this.retryAfterS = details.retryAfterS;
    this.headers = details.headers ?? {};
  }
}

/** Recognised by shape, because a system outside this repository may carry its own copy of this class. */
export function isLoadstoneError(error: unknown): error is LoadstoneError {
  return error instanceof Error && error.name === 'LoadstoneError' && 'code' in error && 'status' in error;
}

/** The stack is collected by the constructor of errors, which has no other switch than this. */
function createWithoutStack(make: () => LoadstoneError): LoadstoneError {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

export type ErrorFactory = (details?: ErrorDetails) => LoadstoneError;

/** What refuses one field of a request. @param pointer as in `FieldProblem` */
export function fieldError(error: ErrorFactory, pointer: string, detail: string): LoadstoneError {
  return error({ detail: `${pointer} ${detail}`, errors: [{ pointer, detail }] });
}

const catalogue = new Map<string, ErrorDefinition & { room: string }>();

/**
 * Declares a room's errors and gives a factory for each: `throw errors.note_gone({detail})`.
 * @param room the block or system that raises them, for the error reference
 */
export function defineErrors<Code extends string>(
  room: string,
  definitions: Record<Code, ErrorDefinition>,
): Record<Code, ErrorFactory> {
  const factories: Partial<Record<Code, ErrorFactory>> = {};
  for (const code of Object.keys(definitions) as Code[]) {
    assert.match(code, /^[a-z][a-z0-9_]*$/, `error code ${code} must be snake_case`);
    assert(!catalogue.has(code) || catalogue.get(code)?.room === room, `error code ${code} is defined twice`);
    const definition = definitions[code];
    catalogue.set(code, { ...definition, room });
    const make: ErrorFactory = (details = {}) => new LoadstoneError(code, definition, details);
    factories[code] = definition.isCommon ? (details) => createWithoutStack(() => make(details)) : make;
  }
  return factories as Record<Code, ErrorFactory>;
}

/** Every declared error, by code: the source of docs/errors.md. */
export function errorCatalogue(): ReadonlyMap<string, ErrorDefinition & { room: string }> {
  return catalogue;
}

/** The message of anything thrown, with its causes, on one line; a cause whose words are in the message is not repeated. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const message = error.message.replaceAll(/\s*\n\s*/g, ' ');
  if (error.cause === undefined) return message;
  const cause = describeError(error.cause);
  return message.includes(cause) ? message : `${message} (cause: ${cause})`;
}
