/**
 * What a request must be before anyone looks at what it wants (RFC 9112, 3.2, 3.3 and 6.1), where node is lenient.
 */
import type { IncomingMessage } from 'node:http';
import type { LoadstoneError } from '#base/errors';
import { serverErrors } from '../errors.ts';

/** `uri-host [ ":" port ]` (RFC 9110, 7.2; RFC 3986, 3.2.2). Empty is allowed: a target without an authority. */
const HOST =
  /^(?:\[(?:[0-9A-Fa-f:.]+|v[0-9A-Fa-f]+\.[\w.~!$&'()*+,;=:-]+)\]|(?:[\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?$/;
/** The scheme and authority of a target in absolute form, which proxies send. */
const ABSOLUTE = /^https?:\/\/([^/?#]*)/i;

const CLOSES = { headers: { connection: 'close' } };
const malformed = (detail: string) => serverErrors.request_malformed({ detail, ...CLOSES });

function countHosts(rawHeaders: readonly string[]): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') count += 1;
  }
  return count;
}

function checkTarget(url: string): LoadstoneError | undefined {
  const authority = ABSOLUTE.exec(url)?.[1];
  if (authority === undefined || (authority !== '' && HOST.test(authority))) return undefined;
  return malformed('the target has no valid host');
}

/** Only `chunked` is decoded, and only it tells where a body ends. */
function checkTransferCoding(given: string, httpVersion: string): LoadstoneError | undefined {
  if (httpVersion !== '1.1') return malformed('HTTP/1.0 has no Transfer-Encoding');
  const coding = given.trim().toLowerCase();
  if (coding === 'chunked') return undefined;
  if (!/(?:^|,)\s*chunked$/.test(coding)) return malformed('the last Transfer-Encoding is not chunked');
  return serverErrors.transfer_coding_unsupported({ detail: 'allowed is chunked alone', ...CLOSES });
}

/** Gives what is wrong with a request as such, or nothing. The last host that was right is known to be. */
export function createFramingCheck(): (request: IncomingMessage) => LoadstoneError | undefined {
  let rightHost = '';
  return ({ headers, rawHeaders, httpVersion, url = '' }) => {
    const { host } = headers;
    if (host === undefined) {
      if (httpVersion === '1.1') return malformed('the Host header is missing');
    } else {
      if (host !== rightHost) {
        if (!HOST.test(host)) return malformed('the Host header is not a host with or without a port');
        rightHost = host;
      }
      if (countHosts(rawHeaders) > 1) return malformed('there are several Host headers');
    }
    const coding = headers['transfer-encoding'];
    if (coding !== undefined) {
      const wrong = checkTransferCoding(coding, httpVersion);
      if (wrong) return wrong;
    }
    return url[0] === '/' ? undefined : checkTarget(url);
  };
}

/** The absolute form of a target without its scheme and authority (RFC 9112, 3.2.2). */
export function originForm(target: string): string {
  const path = target.replace(ABSOLUTE, '');
  return path.startsWith('?') || path === '' ? `/${path}` : path;
}
