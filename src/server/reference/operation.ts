/**
 * One operation as HTML: what it does, a line for curl, what it takes, what it answers.
 */
import { errorCatalogue } from '#base/errors';
import { escapeHtml } from '../pages/html.ts';
import { curlOf } from './curl.ts';
import { fieldTable, namedTable } from './fields.ts';
import { renderInline, renderMarkdown } from './markdown.ts';
import type { OpenApi, Operation } from './openapi.ts';
import { copyable } from './page.ts';
import type { Response } from './responses.ts';

export interface Placed {
  method: string;
  path: string;
  operation: Operation;
}

const PLACES: Record<string, string> = {
  path: 'In the path',
  query: 'In the query',
  header: 'In the headers',
  cookie: 'In the cookies',
};

export function placedOperations({ paths }: OpenApi): Placed[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
  );
}

export function signature({ method, path }: Placed): string {
  return `<code><span class="method">${method.toUpperCase()}</span> ${escapeHtml(path)}</code>`;
}

function json(value: unknown): string {
  return value === undefined ? '' : `<pre>${escapeHtml(JSON.stringify(value, null, 2))}</pre>`;
}

function parameters({ operation }: Placed, { components: { schemas } }: OpenApi): string {
  const byPlace = Map.groupBy(operation.parameters ?? [], (each) => each.in);
  return [...byPlace]
    .map(([place, fields]) => `<h4>${PLACES[place]}</h4>${namedTable(fields, schemas)}`)
    .join('');
}

function success(status: string, reply: Response, { components: { schemas } }: OpenApi): string {
  const media = reply.content?.['application/json'];
  const headers = Object.entries(reply.headers ?? {}).filter(([, header]) => 'schema' in header);
  const told = headers.map(
    ([name, header]) =>
      `<code>${escapeHtml(name)}</code>: ${renderInline((header as { description: string }).description)}`,
  );
  return `<h4>Answer ${status}: <span class="dim">${escapeHtml(reply.description)}</span></h4>
${media ? `${fieldTable(media.schema, schemas)}${json(media.example)}` : ''}${told.length > 0 ? `<ul>${told.map((each) => `<li>${each}</li>`).join('')}</ul>` : ''}`;
}

/** The codes that a status can come with, as `responsesOf` has listed them. */
function codesOf(reply: Response): string[] {
  const schema = reply.content?.['application/problem+json']?.schema;
  return (schema?.allOf?.[1]?.properties?.code?.enum ?? []) as string[];
}

function failures(replies: readonly [string, Response][]): string {
  const catalogue = errorCatalogue();
  const found = replies.flatMap(([status, reply]) =>
    codesOf(reply).map(
      (code) =>
        `<tr><td>${status} <a href="/docs/errors#${escapeHtml(code)}"><code>${escapeHtml(code)}</code></a></td><td>${renderInline(catalogue.get(code)?.title ?? '')}</td></tr>`,
    ),
  );
  return `<details><summary>Errors: ${replies.map(([status]) => status).join(', ')}</summary><table>${found.join('')}</table></details>`;
}

export function renderOperation(placed: Placed, document: OpenApi): string {
  const { method, path, operation } = placed;
  const replies = Object.entries(operation.responses).filter(([status]) => status !== 'default');
  const isFailure = ([, reply]: [string, Response]) => codesOf(reply).length > 0;
  const body = operation.requestBody?.content['application/json'].schema;
  const [server] = document.servers;
  return `<section id="${escapeHtml(operation.operationId)}">
<h3>${signature(placed)}</h3>
<p><strong>${renderInline(operation.summary)}</strong></p>
${renderMarkdown(operation.description)}
${copyable(curlOf(server?.url ?? '', method, path, operation))}
${parameters(placed, document)}${body ? `<h4>Body</h4>${fieldTable(body, document.components.schemas)}` : ''}
${replies
  .filter((each) => !isFailure(each))
  .map(([status, reply]) => success(status, reply, document))
  .join('')}
${failures(replies.filter(isFailure))}
</section>`;
}
