/**
 * The API reference as one page of HTML, from the OpenAPI document; and the error reference.
 */
import type { TSchema } from 'typebox';
import { errorCatalogue } from '#base/errors';
import { describeAllowed } from '#base/schema';

interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  schema: TSchema;
}

interface Media {
  content?: Record<string, { schema: TSchema }>;
  description?: string;
}

interface Operation {
  operationId?: string;
  summary?: string;
  description?: string;
  tags?: string[];
  parameters?: Parameter[];
  requestBody?: Media;
  responses: Record<string, Media>;
}

/** The part of an OpenAPI 3.1 document that the page shows. */
export interface OpenApi {
  info: { title: string; version: string; description?: string };
  servers: { url: string }[];
  paths: Record<string, Record<string, Operation>>;
}

interface ObjectSchema {
  properties?: Record<string, TSchema & { description?: string; items?: TSchema }>;
  required?: string[];
  type?: string;
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: #3366cc; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 14px/1.5 ui-monospace, monospace; }
pre { background: var(--soft); padding: .75rem; overflow-x: auto; border-radius: 6px; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .3rem .6rem; border-top: 1px solid var(--line); vertical-align: top; }
section { border-top: 2px solid var(--line); margin-top: 2rem; } h3 code { font-size: 1.1rem; }
.method { color: var(--accent); font-weight: 700; } nav li { list-style: none; } nav ul { padding: 0; } a { color: var(--accent); }
p { white-space: pre-line; }`;

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title><style>${STYLE}</style></head>
<body>${body}</body></html>`;
}

function fieldRows(schema: TSchema, prefix = ''): string {
  const { properties = {}, required = [] } = schema as ObjectSchema;
  return Object.entries(properties)
    .map(([name, field]) => {
      const nested = (field as ObjectSchema).properties ? field : (field.items as TSchema | undefined);
      const inner =
        nested && (nested as ObjectSchema).properties ? fieldRows(nested, `${prefix}${name}.`) : '';
      const shown = inner ? ((field as ObjectSchema).type ?? '') : describeAllowed(field);
      return `<tr><td><code>${escapeHtml(prefix + name)}</code></td><td>${required.includes(name) ? 'required' : ''}</td>
<td>${escapeHtml(shown)}${field.description ? `<br>${escapeHtml(field.description)}` : ''}</td></tr>${inner}`;
    })
    .join('');
}

function schemaTable(title: string, schema: TSchema | undefined): string {
  const rows = schema ? fieldRows(schema) : '';
  return rows === '' ? '' : `<h4>${escapeHtml(title)}</h4><table>${rows}</table>`;
}

function parameterTable(parameters: readonly Parameter[]): string {
  if (parameters.length === 0) return '';
  const rows = parameters.map(
    ({ name, in: place, required, schema }) =>
      `<tr><td><code>${escapeHtml(name)}</code> (${escapeHtml(place)})</td><td>${required ? 'required' : ''}</td>
<td>${escapeHtml(describeAllowed(schema))}${schema && 'description' in schema ? `<br>${escapeHtml(String(schema.description))}` : ''}</td></tr>`,
  );
  return `<h4>Parameters</h4><table>${rows.join('')}</table>`;
}

function jsonSchema(media: Media | undefined): TSchema | undefined {
  return media?.content?.['application/json']?.schema;
}

function renderOperation(method: string, path: string, operation: Operation): string {
  const replies = Object.entries(operation.responses).map(([status, reply]) =>
    status === 'default'
      ? `<h4>Errors</h4><p>${escapeHtml(reply.description ?? '')} See <a href="/docs/errors">the error reference</a>.</p>`
      : schemaTable(`Answer ${status}`, jsonSchema(reply)) || `<h4>Answer ${status}</h4><p>No body.</p>`,
  );
  return `<section id="${escapeHtml(operation.operationId ?? '')}">
<h3><code><span class="method">${method.toUpperCase()}</span> ${escapeHtml(path)}</code> ${escapeHtml(operation.summary ?? '')}</h3>
<p>${escapeHtml(operation.description ?? '')}</p>
${parameterTable(operation.parameters ?? [])}${schemaTable('Body', jsonSchema(operation.requestBody))}${replies.join('')}
</section>`;
}

export function renderReference(document: OpenApi): string {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
  );
  const index = operations.map(
    ({ method, path, operation }) =>
      `<li><a href="#${escapeHtml(operation.operationId ?? '')}"><code>${method.toUpperCase()} ${escapeHtml(path)}</code></a> ${escapeHtml(operation.summary ?? '')}</li>`,
  );
  const { title, version, description = '' } = document.info;
  return page(
    `${title} API`,
    `<h1>${escapeHtml(title)} API</h1>
<p>${escapeHtml(description)} Version ${escapeHtml(version)}. Machine-readable: <a href="/openapi.json">/openapi.json</a>.</p>
<p>Send <code>Authorization: Bearer &lt;API key&gt;</code> with every request; bodies are JSON.</p>
<nav><ul>${index.join('')}</ul></nav>
${operations.map(({ method, path, operation }) => renderOperation(method, path, operation)).join('\n')}`,
  );
}

export function renderErrorReference(): string {
  const rows = [...errorCatalogue()]
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(
      ([code, { status, title, doc, room, retryable }]) =>
        `<tr id="${escapeHtml(code)}"><td><code>${escapeHtml(code)}</code><br>${status}${retryable ? ', retryable' : ''}<br>${escapeHtml(room)}</td>
<td><b>${escapeHtml(title)}</b><br>${escapeHtml(doc)}</td></tr>`,
    );
  return page('Loadstone errors', `<h1>Errors</h1><table>${rows.join('')}</table>`);
}
