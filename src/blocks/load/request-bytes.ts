/**
 * Requests as they go over the wire.
 */
import assert from 'node:assert/strict';
import { loadErrors } from './errors.ts';
import type { LoadRequest } from './load-shape.ts';

/** What is not allowed in a path or a header, because it would end it. */
const ENDS_PATH = /[\0-\x20]/;
const ENDS_HEADER = /[\0\r\n]/;

export interface Origin {
  host: string;
  port: number;
  /** The `Host` header. */
  authority: string;
}

/** @throws load_origin_invalid */
export function parseOrigin(origin: string): Origin {
  const url = URL.canParse(origin) ? new URL(origin) : undefined;
  const isOrigin =
    url?.protocol === 'http:' && `${url.pathname}${url.search}${url.hash}${url.username}` === '/';
  if (!url || !isOrigin) {
    throw loadErrors.load_origin_invalid({ detail: `${origin}: allowed is http://host:port` });
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return { host, port: url.port === '' ? 80 : Number(url.port), authority: url.host };
}

/**
 * The bytes of a request: for `LoadRequest.encoded`, where the same request is sent often.
 * @param authority host and port of the origin, for the `Host` header
 */
export function encodeRequest(request: LoadRequest, authority: string): Buffer {
  const { method, path, headers, body } = request;
  assert(!ENDS_PATH.test(path) && !ENDS_PATH.test(method), `a request line that breaks: ${method} ${path}`);
  let head = `${method} ${path} HTTP/1.1\r\nHost: ${authority}\r\n`;
  for (const name of Object.keys(headers)) {
    const value = headers[name] ?? '';
    assert(!ENDS_HEADER.test(value), `a header that breaks: ${name}`);
    head += `${name}: ${value}\r\n`;
  }
  if (body === undefined) return Buffer.from(`${head}\r\n`, 'latin1');
  if (typeof body === 'string') {
    return Buffer.from(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  }
  return Buffer.concat([Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n`, 'latin1'), body]);
}
