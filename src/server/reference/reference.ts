/**
 * The API reference as one page of HTML, from the OpenAPI document; and the error reference.
 */
import { errorCatalogue } from '#base/errors';
import { escapeHtml } from '../pages/html.ts';
import { renderInline, renderMarkdown } from './markdown.ts';
import type { OpenApi } from './openapi.ts';
import { type Placed, placedOperations, renderOperation, signature } from './operation.ts';
import { page } from './page.ts';

export { REFERENCE_HEADERS } from './page.ts';

function index(placed: readonly Placed[]): string {
  const items = placed.map(
    (each) =>
      `<li><a href="#${escapeHtml(each.operation.operationId)}">${signature(each)}</a> ${renderInline(each.operation.summary)}</li>`,
  );
  return `<ul>${items.join('')}</ul>`;
}

const ALSO = `<h2>Also here</h2>
<table><tr><td><a href="/openapi.json"><code>/openapi.json</code></a></td><td>This page for programs: OpenAPI 3.1.</td></tr>
<tr><td><a href="/docs/errors"><code>/docs/errors</code></a></td><td>Every error code, and what to do.</td></tr>
<tr><td><code>/livez</code>, <code>/readyz</code>, <code>/health</code></td><td>Whether the process lives; whether it serves.</td></tr>
<tr><td><code>/metrics</code></td><td>For Prometheus.</td></tr></table>`;

export function renderReference(document: OpenApi): string {
  const placed = placedOperations(document);
  const { title, version, description } = document.info;
  const parts = document.tags
    .map((tag) => ({ ...tag, own: placed.filter(({ operation }) => operation.tags.includes(tag.name)) }))
    .filter(({ own }) => own.length > 0);
  return page(
    `${title} API`,
    `<h1>${escapeHtml(title)} API</h1>
<p class="dim">Version ${escapeHtml(version)}, at <code>${escapeHtml(document.servers[0]?.url ?? '')}</code></p>
${renderMarkdown(description)}
<p>Send <code>Authorization: Bearer &lt;API key&gt;</code> with every request to <code>/v1</code>. The lines below take the key from the shell: <code>KEY=…</code></p>
<nav>${parts.map(({ name, own }) => `<strong>${escapeHtml(name)}</strong>${index(own)}`).join('')}</nav>
${parts
  .map(
    ({ name, description: about, own }) =>
      `<h2 id="tag-${escapeHtml(name)}">${escapeHtml(name)}</h2>${renderMarkdown(about)}
${own.map((each) => renderOperation(each, document)).join('\n')}`,
  )
  .join('\n')}
${ALSO}`,
  );
}

export function renderErrorReference(): string {
  const rows = [...errorCatalogue()]
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(
      ([code, { status, title, doc, room, retryable }]) =>
        `<tr id="${escapeHtml(code)}"><td><code>${escapeHtml(code)}</code><br><span class="dim">${status}${retryable ? ', retryable' : ''}; ${escapeHtml(room)}</span></td>
<td><strong>${renderInline(title)}</strong>${renderMarkdown(doc)}</td></tr>`,
    );
  return page(
    'Loadstone errors',
    `<h1>Errors</h1><p>The <code>code</code> of a problem document; it never changes its meaning. <a href="/docs">The API</a>.</p><table>${rows.join('')}</table>`,
  );
}
