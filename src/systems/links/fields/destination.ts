/**
 * Where a link may lead. The WHATWG URL parser is lenient: it strips tabs and newlines, trims, reads `http:x` and
 * `https:\\x` as if slashes had been written, and drops an empty `@`. What it would silently mend is refused here
 * first, so that a link leads where its text says, and everything else is left to the parser, so that it leads where
 * a browser goes. Source: https://url.spec.whatwg.org, sections 4.4 (parsing) and 3.5 (hosts).
 */
import assert from 'node:assert/strict';
import { type ErrorFactory, fieldError } from '#base/errors';
import { linksErrors } from '../errors.ts';

/** Longest destination, in bytes of UTF-8, both as sent and normalised. */
export const URL_BYTES_MAX = 8192;

/** Whether a destination is this server itself. */
export type OwnHosts = (destination: URL) => boolean;

const CONTROL = /[\u0000-\u001f\u007f]/;
/** The byte order mark is no white space to Unicode, but trimmed by JavaScript. */
const SURROUNDING_SPACE = /^[\p{White_Space}\ufeff]|[\p{White_Space}\ufeff]$/u;
const SCHEME = /^([a-z][a-z0-9+.-]*):/i;
/** Up to the path, query or fragment. A backslash is left in, to be refused: the parser takes it for a slash. */
const AUTHORITY = /^https?:\/\/([^/?#]*)/i;
const PORT = /:(\d+)$/;
const PORT_MAX = 65_535;
/** What may stand in a header and needs no quoting. */
const PRINTABLE_ASCII = /^[\x21-\x7e]+$/;

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

const refuse = (error: ErrorFactory, detail: string) => fieldError(error, '/url', detail);

/** What the parser would strip, replace or take too long over. */
function checkText(input: string): void {
  const bytes = Buffer.byteLength(input);
  if (bytes > URL_BYTES_MAX) {
    throw refuse(linksErrors.url_too_long, `has ${bytes} bytes; allowed are ${URL_BYTES_MAX}`);
  }
  if (input === '') throw refuse(linksErrors.url_invalid, 'is empty');
  if (!input.isWellFormed()) throw refuse(linksErrors.url_invalid, 'has half of a surrogate pair');
  if (CONTROL.test(input)) throw refuse(linksErrors.url_invalid, 'has a control character');
  if (SURROUNDING_SPACE.test(input)) throw refuse(linksErrors.url_invalid, 'starts or ends with a space');
}

/** What stands before the path, as it was written. */
function checkStart(input: string): void {
  const scheme = SCHEME.exec(input)?.[1]?.toLowerCase();
  if (scheme === undefined) {
    throw refuse(linksErrors.url_invalid, 'is not absolute; it must start with https:// or http://');
  }
  if (scheme !== 'http' && scheme !== 'https') {
    const shown = scheme.length > 30 ? `${scheme.slice(0, 29)}…` : scheme;
    throw refuse(linksErrors.url_scheme_not_allowed, `has the scheme ${shown}; allowed are http and https`);
  }
  const authority = AUTHORITY.exec(input)?.[1];
  if (authority === undefined) throw refuse(linksErrors.url_invalid, `has no // after ${scheme}:`);
  if (authority.includes('\\')) throw refuse(linksErrors.url_invalid, 'has a backslash before its path');
  if (authority === '') throw refuse(linksErrors.url_invalid, 'has no host');
  if (authority.includes('@')) {
    throw refuse(linksErrors.url_credentials_not_allowed, 'has an @ before its path');
  }
  const port = Number(PORT.exec(authority)?.[1] ?? PORT_MAX);
  if (port < 1 || port > PORT_MAX) {
    throw refuse(linksErrors.url_invalid, `has a port outside 1 to ${PORT_MAX}`);
  }
}

/** Without the dot of the DNS root, of which a name may have one. */
function withoutRootDot(hostname: string): string {
  return hostname.endsWith('.') ? hostname.slice(0, -1) : hostname;
}

/**
 * A destination in its normal form, which is what the redirect sends: absolute, `http` or `https`, printable ASCII
 * (international hosts as punycode, everything else percent-encoded), at most `URL_BYTES_MAX` bytes. The fragment is
 * kept, and so is one dot after the host name (`http://example.com./`), since with it a resolver skips its search
 * list. Private addresses are allowed: intranets use links too, and the server never fetches a destination itself.
 * Parsing a normal form gives the same again.
 * @throws url_invalid, url_scheme_not_allowed, url_credentials_not_allowed, url_too_long, url_own_host
 */
export function parseDestination(input: string, own: OwnHosts): string {
  checkText(input);
  checkStart(input);
  if (!URL.canParse(input)) throw refuse(linksErrors.url_invalid, 'has a host or port that cannot be');
  const url = new URL(input);
  // After the parser, since hosts have more dots than "." before it: "。" is one, and so is "%2e".
  if (withoutRootDot(url.hostname).split('.').includes('')) {
    throw refuse(linksErrors.url_invalid, 'has a host with nothing before, between or after its dots');
  }
  const { href } = url;
  assert.match(href, PRINTABLE_ASCII, 'a normalised URL is printable ASCII');
  if (href.length > URL_BYTES_MAX) {
    const detail = `has ${href.length} bytes when percent-encoded; allowed are ${URL_BYTES_MAX}`;
    throw refuse(linksErrors.url_too_long, detail);
  }
  if (own(url)) throw refuse(linksErrors.url_own_host, 'leads back to this server');
  return href;
}

function portOf(url: URL): number | undefined {
  return url.port === '' ? DEFAULT_PORTS[url.protocol] : Number(url.port);
}

const MAPPED_IPV4 = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/;

/** One spelling per host: without the root dot, an IPv4 address mapped into IPv6 as IPv4. The parser did the rest. */
function hostOf(url: URL): string {
  const mapped = MAPPED_IPV4.exec(url.hostname);
  if (!mapped) return withoutRootDot(url.hostname);
  const words = [mapped[1], mapped[2]].map((word) => Number.parseInt(word ?? '', 16));
  return words.flatMap((word) => [word >> 8, word & 255]).join('.');
}

/** Loopback, and the address of "every interface", which leads to loopback too. Names: RFC 6761, 6.3 and /etc/hosts. */
const THIS_MACHINE =
  /^(127\.\d+\.\d+\.\d+|0\.0\.0\.0|\[::1?\]|([^/]+\.)?localhost|localhost\.localdomain|ip6-(localhost|loopback))$/;

/**
 * A predicate for destinations that are this server, since a link to them could redirect for ever. Ours is the host
 * of `publicUrl` at its port (at both 80 and 443 when it uses the default port of its scheme, as the one usually
 * redirects to the other), and each listen address. Where one of these is loopback or all interfaces, every name and
 * address of loopback is ours at its port. Other names that lead here, such as that of the machine in its network,
 * cannot be told from the outside.
 * @param publicUrl an absolute http or https URL
 * @param listenAddresses each as `host:port`, IPv6 in brackets
 */
export function ownHosts(publicUrl: string, listenAddresses: readonly string[]): OwnHosts {
  const outside = new URL(publicUrl);
  const places = [
    { host: hostOf(outside), ports: outside.port === '' ? [80, 443] : [portOf(outside)] },
    ...listenAddresses
      .map((address) => new URL(`http://${address}`))
      .map((url) => ({ host: hostOf(url), ports: [portOf(url)] })),
  ];
  return (destination) => {
    const host = hostOf(destination);
    const port = portOf(destination);
    return places.some(
      (place) =>
        place.ports.includes(port) &&
        (place.host === host || (THIS_MACHINE.test(place.host) && THIS_MACHINE.test(host))),
    );
  };
}
