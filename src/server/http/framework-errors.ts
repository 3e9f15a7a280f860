/**
 * Fastify's own refusals in our words. Each of its error codes is in one of these lists; a test compares them with those
 * that it exports.
 */
import type { LoadstoneError } from '#base/errors';
import { serverErrors } from '../errors.ts';

/** What a request can bring about. */
export const TRANSLATED: Readonly<Record<string, () => LoadstoneError>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () => serverErrors.media_type_unsupported(),
  FST_ERR_MAX_PARAM_LENGTH: () => serverErrors.not_found({ detail: 'a part of the path is too long' }),
  FST_ERR_BAD_URL: () => serverErrors.request_malformed({ detail: 'the path is not well encoded' }),
  FST_ERR_ASYNC_CONSTRAINT: () => serverErrors.request_malformed({ detail: 'the path is not well encoded' }),
};

/** What no request can bring about, and why. Should one come all the same, it is a defect: 500, and the log has its stack. */
export const UNREACHABLE: readonly { reason: string; codes: RegExp }[] = [
  {
    reason: 'thrown while the server is put together: its start would fail, in every test',
    codes:
      /^FST_ERR_(OPTIONS_NOT_OBJ|QSP_NOT_FN|SCHEMA_|AJV_|LISTEN_|ERROR_HANDLER_|DEC_|HOOK_|LOG_|SCH_|INIT_|FORCE_CLOSE_|DUPLICATED_ROUTE|REOPENED_|INSTANCE_ALREADY_|PLUGIN_|ROOT_PLG_|PARENT_PLUGIN_|MISSING_MIDDLEWARE)/,
  },
  {
    reason: 'thrown while a route is added',
    codes:
      /^FST_ERR_ROUTE_(OPTIONS_NOT_OBJ|DUPLICATED_HANDLER|HANDLER_NOT_FN|MISSING_HANDLER|METHOD_INVALID|METHOD_NOT_SUPPORTED|LOG_LEVEL_INVALID|BODY_VALIDATION_SCHEMA_NOT_SUPPORTED|BODY_LIMIT_OPTION_NOT_INT|HANDLER_TIMEOUT_OPTION_NOT_INT)$/,
  },
  {
    reason: 'thrown while a parser of bodies is added',
    codes:
      /^FST_ERR_CTP_(ALREADY_PRESENT|INVALID_TYPE|EMPTY_TYPE|INVALID_HANDLER|INVALID_PARSE_TYPE|INSTANCE_ALREADY_STARTED)$/,
  },
  {
    reason: 'of the parsers of bodies that fastify brings: they are removed, bodies are read by body.ts',
    codes: /^FST_ERR_CTP_(BODY_TOO_LARGE|INVALID_CONTENT_LENGTH|EMPTY_JSON_BODY|INVALID_JSON_BODY)$/,
  },
  {
    reason: 'of the method QUERY, which no route has: 405 or 404 before a body is looked for',
    codes: /^FST_ERR_ROUTE_MISSING_CONTENT(_TYPE)?$/,
  },
  {
    reason: 'of what is not used: handler timeouts, rewritten URLs, trailers, schemas found by hand',
    codes:
      /^FST_ERR_(HANDLER_TIMEOUT|ROUTE_REWRITE_NOT_STR|INVALID_URL|BAD_TRAILER_NAME|BAD_TRAILER_VALUE|REQ_INVALID_VALIDATION_INVOCATION|MISSING_SERIALIZATION_FN|MISSING_CONTENTTYPE_SERIALIZATION_FN)$/,
  },
  {
    reason:
      'of the handlers that fastify brings for what is not found and does not fit: ours take their place',
    codes: /^FST_ERR_(NOT_FOUND|VALIDATION)$/,
  },
  {
    reason: 'a reply that a handler of ours has made wrongly: a defect',
    codes: /^FST_ERR_(REP_|SEND_|BAD_STATUS_CODE|FAILED_ERROR_SERIALIZATION)/,
  },
];

export function translateFrameworkError(error: unknown): unknown {
  const { code } = error as { code?: unknown };
  return (typeof code === 'string' ? TRANSLATED[code]?.() : undefined) ?? error;
}
