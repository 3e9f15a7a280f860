/**
 * The generated references: docs/errors.md from every `defineErrors`, docs/faults.md from every `defineFaults`,
 * docs/options.md from every options schema.
 * `npm run docs` writes them; the check fails when they are not what would be written.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { TSchema } from 'typebox';
import { type ErrorDefinition, errorCatalogue } from '#base/errors';
import { faultCatalogue } from '#base/faults';
import { describeAllowed, type SchemaNode } from '#base/options/schema';
import { isTest, roomNames } from './rooms.ts';
import type { Finding } from './rule.ts';
import { nameOf, stringValue, walk } from './syntax.ts';
import type { Module, Tree } from './tree.ts';

const ERRORS = 'docs/errors.md';
const FAULTS = 'docs/faults.md';
const OPTIONS = 'docs/options.md';

export interface Reference {
  /** What each generated file should hold. */
  files: ReadonlyMap<string, string>;
  /** What cannot be documented as it is. */
  findings: readonly Finding[];
}

/** @param root the directory of `tree`, from which its modules are loaded */
export async function makeReference(root: string, tree: Tree): Promise<Reference> {
  const codes = new Set<string>();
  const points = new Set<string>();
  for (const module of tree.modules.filter(({ path }) => path.startsWith('src/') && !isTest(path))) {
    const own = { codes: definedIn(module, 'defineErrors'), points: definedIn(module, 'defineFaults') };
    if (own.codes.length + own.points.length > 0) await load(root, module.path);
    for (const { name } of own.codes) codes.add(name);
    for (const { room, name } of own.points) points.add(`${room}.${name}`);
  }
  const errors = [...errorCatalogue()].filter(([code]) => codes.has(code));
  const faults = [...faultCatalogue()].filter(([point]) => points.has(point));
  const schema = await loadOptions(root, tree);
  const options = listOptions(schema);
  return {
    files: new Map([
      [ERRORS, errorsPage(errors)],
      ...(faults.length > 0 ? [[FAULTS, faultsPage(faults)] as const] : []),
      [OPTIONS, optionsPage(schema, options)],
    ]),
    findings: options
      .filter(({ description }) => description === '')
      .map(({ path }) => ({ file: OPTIONS, line: 1, message: `the option ${path} has no description` })),
  };
}

/** What the committed files lack or have too much, beside what cannot be documented. */
export function staleReferences(tree: Tree, reference: Reference): string[] {
  const stale = [...reference.files].flatMap(([path, expected]) => {
    const actual = tree.file(path)?.text.split('\n') ?? [];
    const wanted = expected.split('\n');
    const line = wanted.findIndex((text, index) => text !== actual[index]);
    if (line === -1 && actual.length === wanted.length) return [];
    const at = line === -1 ? wanted.length : line;
    return [`${path}:${at + 1} should be "${wanted[at] ?? ''}": run npm run docs`];
  });
  return [...reference.findings.map(({ file, line, message }) => `${file}:${line} ${message}`), ...stale];
}

async function load(root: string, path: string): Promise<Record<string, unknown>> {
  return (await import(pathToFileURL(join(root, path)).href)) as Record<string, unknown>;
}

/** The room, and the keys of the object, given to each call of `definer`. */
function definedIn({ program }: Module, definer: string): { room: string; name: string }[] {
  const defined: { room: string; name: string }[] = [];
  walk(program, (node) => {
    if (node.type !== 'CallExpression' || nameOf(node.callee) !== definer) return;
    const [first, definitions] = node.arguments;
    const room = first && stringValue(first);
    if (room === undefined || definitions?.type !== 'ObjectExpression') return;
    for (const property of definitions.properties) {
      if (property.type === 'Property') defined.push({ room, name: nameOf(property.key) ?? '' });
    }
  });
  return defined;
}

/** The whole configuration: the server's options, and those of each system under its name. */
async function loadOptions(root: string, tree: Tree): Promise<SchemaNode> {
  const properties: Record<string, SchemaNode> = {};
  const server = 'src/server/options.ts';
  if (tree.has(server)) {
    const { serverOptions } = await load(root, server);
    Object.assign(properties, (serverOptions as SchemaNode | undefined)?.properties);
  }
  const paths = tree.files.map((file) => file.path);
  for (const name of roomNames(paths, 'systems')) {
    const path = `src/systems/${name}/options.ts`;
    if (!tree.has(path)) continue;
    const exported = (await load(root, path))[`${name}Options`];
    if (exported !== undefined) properties[name] = exported as SchemaNode;
  }
  return { type: 'object', properties };
}

interface Option {
  path: string;
  allowed: string;
  default: string;
  description: string;
}

/** Every value that can be set, in the order of the schema. Sections are not options; they are where options are. */
function listOptions(schema: SchemaNode, path = '', isRequired = true): Option[] {
  if (schema.properties) {
    const { required = [] } = schema as { required?: string[] };
    return Object.entries(schema.properties).flatMap(([key, inner]) =>
      listOptions(inner, path === '' ? key : `${path}.${key}`, required.includes(key)),
    );
  }
  const own: Option = {
    path,
    allowed: describeAllowed(schema as TSchema),
    default: describeDefault(schema, isRequired),
    description: schema.description ?? '',
  };
  const variants = [...(schema.anyOf ?? []), ...(schema.items ? [schema.items] : [])];
  const suffix = schema.items ? '[]' : '';
  return [own, ...variants.flatMap((v) => (v.properties ? listOptions(v, `${path}${suffix}`) : []))];
}

function describeDefault(schema: SchemaNode, isRequired: boolean): string {
  if (schema.default !== undefined) return `\`${JSON.stringify(schema.default)}\``;
  return isRequired ? 'required' : 'none';
}

function escapeText(text: string): string {
  return text.replaceAll(/[\\|*_<>[\]]/g, '\\$&');
}

const GENERATED = '<!-- Written by `npm run docs`; changes here are lost. -->';

function errorsPage(errors: readonly [string, ErrorDefinition & { room: string }][]): string {
  const lines = [
    '# Errors',
    '',
    GENERATED,
    '',
    'Every refusal is a problem document (RFC 9457) whose `code` is one of these. A code never changes its meaning.',
    'Retryable means that the same request may succeed later, unchanged.',
  ];
  const rooms = Map.groupBy(errors, ([, { room }]) => room);
  for (const room of [...rooms.keys()].sort()) {
    lines.push('', `## ${room}`);
    for (const [code, error] of (rooms.get(room) ?? []).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      const status = error.retryable ? `${error.status}, retryable` : `${error.status}`;
      lines.push('', `### ${code}`, '', `${status}. ${error.title}.`, '', error.doc);
    }
  }
  return `${lines.join('\n')}\n`;
}

function faultsPage(faults: readonly [string, string][]): string {
  const rows = faults
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([point, meaning]) => `| \`${point}\` | ${escapeText(meaning)} |`);
  const lines = [
    '# Fault points',
    '',
    GENERATED,
    '',
    'Where a drill can make a process crash, hang, fail or wait. They do nothing unless the process was started with',
    '`LOADSTONE_FAULTS`, the name of a file that says what is armed:',
    '',
    '```json',
    '{ "points": { "outbox.moved": { "action": "crash", "afterHits": 2, "pid": 4711 } }, "clockStepMs": -3600000 }',
    '```',
    '',
    '`action` is `crash`, `hang`, `error` or `delay` (with `delayMs`); `afterHits` passages are let through first, and it acts',
    '`times` times. With `pid` it is for that process alone, otherwise for every one that reads the file. The file is read again',
    'whenever it changes.',
    '',
    '| point | when it is passed |',
    '|---|---|',
    ...rows,
  ];
  return `${lines.join('\n')}\n`;
}

function optionsTable(options: readonly Option[]): string[] {
  if (options.length === 0) return [];
  const rows = options.map(({ path, allowed, default: preset, description }) => {
    const cells = [`\`${path}\``, escapeText(allowed), preset, description];
    return `| ${cells.map((cell) => cell.replaceAll(/(?<!\\)\|/g, '\\|')).join(' | ')} |`;
  });
  return ['| option | allowed | default | meaning |', '|---|---|---|---|', ...rows];
}

function optionsPage(schema: SchemaNode, options: readonly Option[]): string {
  const lines = [
    '# Options',
    '',
    GENERATED,
    '',
    'What `loadstone.yaml` may hold. An unknown key or an impossible value stops the start with one line.',
  ];
  const outside = optionsTable(options.filter(({ path }) => !path.includes('.')));
  if (outside.length > 0) lines.push('', ...outside);
  for (const [name, section] of Object.entries(schema.properties ?? {})) {
    if (!section.properties) continue;
    const inside = options.filter(({ path }) => path.startsWith(`${name}.`));
    lines.push('', `## ${name}`, ...(section.description ? ['', section.description] : []));
    lines.push('', ...optionsTable(inside));
  }
  return `${lines.join('\n')}\n`;
}
