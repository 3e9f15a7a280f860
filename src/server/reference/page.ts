/**
 * A page of the reference: it carries its style and its few lines of script, and needs nothing from elsewhere. Both are
 * named by their hashes in the policy, so that nothing else on it can run or dress it.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { escapeHtml } from '../pages/html.ts';

const STYLE = readFileSync(new URL('./page.css', import.meta.url), 'utf8');

/** Copies the line beside the button; where the browser does not allow that (plain http from elsewhere), selects it. */
const SCRIPT = `
for (const button of document.querySelectorAll('.curl button')) {
  const line = button.parentElement.querySelector('pre');
  button.hidden = false;
  button.addEventListener('click', async () => {
    getSelection().selectAllChildren(line);
    if (navigator.clipboard === undefined) return;
    await navigator.clipboard.writeText(line.textContent).then(() => { button.textContent = 'Copied'; }, () => {});
  });
}`;

function sourceOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

export const REFERENCE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src ${sourceOf(STYLE)}; script-src ${sourceOf(SCRIPT)}; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'x-content-type-options': 'nosniff',
};

export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title><style>${STYLE}</style></head>
<body>${body}<script>${SCRIPT}</script></body></html>`;
}

/** A line to copy. */
export function copyable(text: string): string {
  return `<div class="curl"><pre>${escapeHtml(text)}</pre><button type="button" hidden>Copy</button></div>`;
}
