/**
 * Aliases: codes that people choose.
 */
import { type ErrorFactory, fieldError } from '#base/errors';
import { OWN_PATHS } from '#blocks/system';
import { linksErrors } from '../errors.ts';

/** The form of every code, chosen or generated. */
export const CODE_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_-]{2,63}$/;

/**
 * Paths that are never a link, in lower case: the server's own, those it may come to need, and those where browsers,
 * crawlers or people expect something else than a link somebody chose. Words that are no code anyway are listed too,
 * so that the refusal says why. The list can hardly grow (a link may have the word by then), so later paths of the
 * server go under `/-/`.
 */
export const RESERVED: ReadonlySet<string> = new Set([
  ...OWN_PATHS,
  // Taken for the server's own.
  ...['openapi', 'openapi.yaml', 'healthz', 'live', 'ready'],
  // May come.
  ...['api', 'admin', 'graphql', 'assets', 'static'],
  // Asked for by browsers and crawlers.
  ...['favicon', 'robots', 'sitemap', 'sitemap.xml', 'manifest.json', 'index.html'],
  ...['apple-touch-icon.png', 'apple-app-site-association', 'browserconfig.xml', 'ads.txt', 'humans.txt'],
  ...['security.txt', 'sw.js', 'service-worker.js', 'well-known', '.well-known'],
  // Where a stranger's page would be taken for the host's own.
  ...['login', 'logout', 'signin', 'signup', 'signout', 'auth', 'oauth', 'sso', 'password', 'account'],
]);

/** Whether a path's word is never a link, whatever its case. Generated codes have to pass this too. */
export function isReserved(code: string): boolean {
  return RESERVED.has(code.toLowerCase());
}

/** Whether what stands in a path can be a link's code. */
export function isCode(text: string): boolean {
  return CODE_PATTERN.test(text) && !isReserved(text);
}

const refuse = (error: ErrorFactory, detail: string) => fieldError(error, '/alias', detail);

/**
 * The alias as it is, case and all: `Spring` and `spring` are two links.
 * @throws alias_reserved, alias_invalid
 */
export function parseAlias(input: string): string {
  if (isReserved(input)) throw refuse(linksErrors.alias_reserved, `${input} is reserved`);
  if (CODE_PATTERN.test(input)) return input;
  if (input.length < 3 || input.length > 64) {
    throw refuse(linksErrors.alias_invalid, `has ${input.length} characters; allowed are 3 to 64`);
  }
  throw refuse(
    linksErrors.alias_invalid,
    'may have only A–Z, a–z, 0–9, _ and -, and starts with a letter or digit',
  );
}
