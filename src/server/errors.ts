import { defineErrors } from '#base/errors';

export const serverErrors = defineErrors('server', {
  not_found: {
    status: 404,
    title: 'There is nothing at this address',
    doc: 'No route has this path.',
  },
  method_not_allowed: {
    status: 405,
    title: 'This address does not take this method',
    doc: 'The path exists, with the methods that the `Allow` header lists.',
  },
  media_type_unsupported: {
    status: 415,
    title: 'The body must be JSON',
    doc: 'A body was sent with another `Content-Type` than `application/json`, or with none.',
  },
  content_coding_unsupported: {
    status: 415,
    title: 'The body must not be compressed',
    doc: 'A body was sent with a `Content-Encoding` other than `identity`. Send it as it is.',
  },
  transfer_coding_unsupported: {
    status: 501,
    title: 'The transfer coding is not known',
    doc: 'A body was sent with a `Transfer-Encoding` other than `chunked`. The connection is closed.',
  },
  json_malformed: {
    status: 400,
    title: 'The body is not valid JSON',
    doc: 'The body is empty, is not JSON, or is not UTF-8.',
  },
  request_invalid: {
    status: 400,
    title: 'The request does not fit its schema',
    doc: 'A field is missing, unknown, of the wrong type or outside what is allowed; `errors` lists each by its JSON pointer (`?name` for the query, `:name` for the path).',
  },
  request_malformed: {
    status: 400,
    title: 'The request is not valid HTTP',
    doc: 'The request line, a header, the `Host` or the path encoding is broken. The connection is closed.',
  },
  session_invalid: {
    status: 400,
    title: 'The session is none of this server',
    doc: 'The header `Loadstone-Session` takes what answers had there, as it was; several are separated by commas. Leave it out to begin anew.',
  },
  body_too_large: {
    status: 413,
    title: 'The body is too large',
    doc: 'The body is longer than `http.bodyBytesMax`. Up to 16 MiB of it are read and thrown away so that this answer arrives; past that the connection is closed.',
  },
  bodies_busy: {
    status: 503,
    title: 'Too many bodies are on their way',
    retryable: true,
    doc: 'The bodies of all requests under way have `http.bodiesBytesMax`. Retry after the time in `Retry-After`.',
  },
  client_gone: {
    status: 499,
    title: 'The client has gone before its answer',
    doc: 'Seen in the access log, metrics and traces: the connection has ended before the request was whole or the answer was sent. Whether a write took place is known only after reading it back.',
  },
  headers_too_large: {
    status: 431,
    title: 'The headers are too large',
    doc: 'Request line and headers together are longer than `http.headerBytesMax`. The connection is closed.',
  },
  request_timeout: {
    status: 408,
    title: 'The request arrived too slowly',
    retryable: true,
    doc: 'Headers or body were not complete within `http.headersTimeoutMs` or `http.receiveTimeoutMs`. The connection is closed.',
  },
  expectation_failed: {
    status: 417,
    title: 'The expectation cannot be met',
    doc: 'The `Expect` header asks for something other than `100-continue`.',
  },
  starting: {
    status: 503,
    title: 'The server is starting',
    retryable: true,
    doc: 'The server has its address but not yet its database. Retry after the time in `Retry-After`.',
  },
  not_ready: {
    status: 503,
    title: 'The server is not ready',
    retryable: true,
    doc: 'A part of the server is failing or it is stopping. `GET /readyz` with a key says which part and why.',
  },
  internal: {
    status: 500,
    title: 'Something went wrong in the server',
    doc: 'A defect. The log line with the same trace id has the cause; please report it.',
  },
  address_in_use: {
    status: 500,
    title: 'The address to listen on is taken',
    doc: 'Another process listens on `listen`, or this user may not. The server does not start.',
  },
  system_invalid: {
    status: 500,
    title: 'A system cannot be loaded',
    doc: 'A name in `systems` is neither a system of Loadstone nor a module that exports one made by defineSystem as its default; or the queues of a system and its jobs do not belong together: a queue that nothing handles, a handler or a schedule of a queue that it does not declare. The server does not start.',
  },
  data_directory_unusable: {
    status: 500,
    title: 'The data directory cannot be used',
    doc: 'The directory named by `data` cannot be made or written by this user, or its disk is full. The server does not start.',
  },
});
