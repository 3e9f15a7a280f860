/**
 * Pages for people in a browser: `/`, and what stands in the place of a problem document for them. One column of text that
 * fits a phone, in the colours that the reader's system has. No scripts, nothing from elsewhere: the policy allows this very
 * style and our own icon, and nothing else.
 */
import { createHash } from 'node:crypto';
import type { LoadstoneError } from '#base/errors';
import { prefersHtml } from '../http/accept.ts';
import { escapeHtml } from './html.ts';
import type { PagesOptions } from './options.ts';

const STYLE = `
:root { color-scheme: light dark; --ink: #1b1f27; --soft: #5a6270; --paper: #fff; --line: #d9dee6; --accent: #2f5fc4; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8eaee; --soft: #a0a8b6; --paper: #14171c; --line: #333a45; --accent: #8fb1ff; }
}
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; min-height: 100svh; display: grid; place-items: center; padding: 2rem 1.25rem;
  background: var(--paper); color: var(--ink); font: 1.0625rem/1.6 system-ui, sans-serif; overflow-wrap: anywhere; }
main { width: 100%; max-width: 34rem; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: .25rem 0 .75rem; }
p { margin: 0 0 1rem; white-space: pre-line; }
ul { list-style: none; margin: 0 0 1.25rem; padding: 0; }
li { padding: .6rem 0; border-top: 1px solid var(--line); }
a { color: var(--accent); text-underline-offset: .2em; }
a:focus-visible { outline: 2px solid; outline-offset: 3px; border-radius: 2px; }
nav { display: flex; flex-wrap: wrap; gap: .5rem 1.25rem; margin-bottom: 1.25rem; }
.site, footer { color: var(--soft); font-size: .9375rem; margin: 0; }
footer { border-top: 1px solid var(--line); padding-top: .75rem; }
footer p { margin: 0; }
`;

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

export const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/** What a page says in place of a problem's own words. */
export interface PageText {
  title: string;
  text: string;
}

/** What of a request decides whether it gets a page. */
export interface Asking {
  method?: string | undefined;
  headers: { accept?: string | undefined };
}

export interface Page {
  headers: Record<string, string>;
  body: string;
}

export interface Pages {
  /** `/` for a person. */
  home(): Page;
  /** A problem for a person; undefined for a program, which gets the document. */
  problem(asking: Asking, error: LoadstoneError, traceId: string, text?: PageText): Page | undefined;
}

export interface PagesDeps {
  publicUrl: string;
  /** What runs here. */
  systems: readonly { name: string; summary: string }[];
}

const PATIENCE = 'Please try again in a moment.';

function textOf(error: LoadstoneError): PageText {
  const { title, message } = error;
  const isInside = error.status >= 500;
  return { title, text: isInside ? (error.retryable ? PATIENCE : '') : message === title ? '' : message };
}

const paragraph = (text: string) => (text === '' ? '' : `<p>${escapeHtml(text)}</p>\n`);

/** Whether the method asks for something to look at. */
export function isRead({ method }: Asking): boolean {
  return method === 'GET' || method === 'HEAD';
}

export function createPages(options: PagesOptions, deps: PagesDeps): Pages {
  const { language, footer } = options;
  const name = options.name ?? new URL(deps.publicUrl).host;
  const headers = {
    'content-type': 'text/html; charset=utf-8',
    'content-language': language,
    'content-security-policy': PAGE_POLICY,
    'x-content-type-options': 'nosniff',
    vary: 'Accept',
  };

  function render(title: string, main: string, meta = ''): string {
    return `<!doctype html>
<html lang="${escapeHtml(language)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${meta}<title>${escapeHtml(title)}</title>
<link rel="icon" href="/favicon.ico">
<style>${STYLE}</style>
</head>
<body>
<main dir="auto">
${main}</main>
</body>
</html>
`;
  }

  const home: Page = {
    headers: { ...headers, 'cache-control': 'no-cache' },
    body: render(
      name,
      `<h1>${escapeHtml(name)}</h1>
${paragraph(options.home)}<ul>
${deps.systems.map((each) => `<li><strong>${escapeHtml(each.name)}</strong> · ${escapeHtml(each.summary)}</li>\n`).join('')}</ul>
<nav aria-label="Reference"><a href="/docs">API reference</a> <a href="/docs/errors">Errors</a> <a href="/openapi.json">OpenAPI</a></nav>
${footer === '' ? '' : `<footer>${paragraph(footer)}</footer>\n`}`,
    ),
  };

  return {
    home: () => home,
    problem(asking, error, traceId, given) {
      if (!isRead(asking) || !prefersHtml(asking.headers.accept)) return undefined;
      const { title, text } = given ?? textOf(error);
      const main = `<p class="site"><a href="/">${escapeHtml(name)}</a></p>
<h1>${escapeHtml(title)}</h1>
${paragraph(text)}<footer>${paragraph(footer)}<p class="site">${error.status} · <span dir="ltr">${escapeHtml(traceId)}</span></p></footer>
`;
      const meta = '<meta name="robots" content="noindex">\n';
      return {
        headers: { ...headers, 'x-robots-tag': 'noindex' },
        body: render(`${title} · ${name}`, main, meta),
      };
    },
  };
}
