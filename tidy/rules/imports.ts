/**
 * Imports point one way: base ← blocks ← systems ← server ← drills ← cli ← everything around src. Rooms meet only by
 * `#` imports, never by relative ones, and a block reaches another block only by an edge listed in tidy/edges.ts. Tests of
 * blocks take what systems stand on from `#fixtures/core`, without an edge.
 */
import { posix } from 'node:path';
import type { Edge } from '../edges.ts';
import { isTest, LAYERS, type Layer, type Room, roomOf } from '../rooms.ts';
import type { Finding, Rule } from '../rule.ts';
import { importsOf, nameOf, stringValue, walk } from '../syntax.ts';
import type { Module, Tree } from '../tree.ts';

const EDGES = 'tidy/edges.ts';
const OWN_PACKAGE = 'loadstone';
/** Layers of which each room shows only its index; the others are one room, of which any file may be taken. */
const MANY_ROOMS: ReadonlySet<string> = new Set(['blocks', 'systems']);

/** The block that puts others together: its fixture is for the tests of any block, also of those it is made of. */
const ASSEMBLY = '#fixtures/core';

interface Target {
  layer: string;
  name: string;
  isDeep: boolean;
  isFixture: boolean;
  isDefinition: boolean;
}

/**
 * `#fixtures/x` is what block x gives to the tests of others, `#system-fixtures/x` what system x gives them;
 * `#definitions/x` is the whole of system x.
 */
function targetOf(specifier: string): Target {
  const [prefix = '', name = '', ...rest] = specifier.slice(1).split('/');
  const isSystemFixture = prefix === 'system-fixtures';
  const isFixture = prefix === 'fixtures' || isSystemFixture;
  const isDefinition = prefix === 'definitions';
  const isOfSystem = isDefinition || isSystemFixture;
  const layer = isOfSystem ? 'systems' : isFixture ? 'blocks' : prefix;
  const isDeep = rest.length > 0 && MANY_ROOMS.has(layer);
  return { layer, name, isDeep, isFixture, isDefinition };
}

function problemWithRelative(path: string, room: Room, specifier: string): string | undefined {
  const resolved = posix.normalize(posix.join(posix.dirname(path), specifier));
  if (roomOf(resolved)?.path === room.path) return undefined;
  return `"${specifier}" leaves ${room.path}: rooms meet only by # imports`;
}

/** Tests of a system through HTTP belong to it, though a server is above it. */
const WHOLE_SERVER = '#server/server.fixture';

function problemWithTarget(path: string, room: Room, specifier: string): string | undefined {
  const { layer, name, isDeep, isFixture, isDefinition } = targetOf(specifier);
  const rank = LAYERS.indexOf(layer as Layer);
  if (rank === -1 || name === '') return `"${specifier}" names no layer: ${LAYERS.slice(0, 6).join(', ')}`;
  if (isDeep) return `"${specifier}" is a deep import: take what #${layer}/${name} exports`;
  if (isFixture && !isTest(path)) return `"${specifier}" is for tests only`;
  if (isDefinition && room.layer !== 'server') return `"${specifier}" is for the composition root only`;
  const hasManyRooms = MANY_ROOMS.has(layer);
  if (layer === room.layer && (!hasManyRooms || name === room.name)) {
    return `"${specifier}" is this room itself: import relatively`;
  }
  if (specifier === WHOLE_SERVER && room.layer === 'systems' && isTest(path)) return undefined;
  if (rank > LAYERS.indexOf(room.layer)) return `${room.layer} must not import ${layer}: "${specifier}"`;
  return undefined;
}

function problemWith(module: Module, room: Room, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return problemWithRelative(module.path, room, specifier);
  if (specifier.startsWith('#')) return problemWithTarget(module.path, room, specifier);
  const isOwnPackage = specifier === OWN_PACKAGE || specifier.startsWith(`${OWN_PACKAGE}/`);
  if (isOwnPackage && room.layer !== 'around') return `"${specifier}" is this package itself`;
  return undefined;
}

interface ListedEdge extends Edge {
  line: number;
}

/** Read from the syntax tree, so that the rule needs nothing but files. */
function listedEdges(tree: Tree): ListedEdge[] {
  const module = tree.module(EDGES);
  if (!module) return [];
  const found: ListedEdge[] = [];
  walk(module.program, (node) => {
    if (node.type !== 'ObjectExpression') return;
    const fields: Record<string, string> = {};
    for (const property of node.properties) {
      if (property.type !== 'Property') continue;
      fields[nameOf(property.key) ?? ''] = stringValue(property.value) ?? '';
    }
    const { from = '', to = '', reason = '' } = fields;
    found.push({ from, to, reason, line: module.lineAt(node.start) });
  });
  return found;
}

function find(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  const edges = listedEdges(tree);
  const used = new Set<ListedEdge>();

  for (const module of tree.modules) {
    const room = roomOf(module.path);
    if (!room) continue;
    for (const { specifier, start } of importsOf(module.program)) {
      const add = (message: string) =>
        findings.push({ file: module.path, line: module.lineAt(start), message });
      const problem = problemWith(module, room, specifier);
      if (problem !== undefined) add(problem);
      else if (room.layer === 'blocks' && /^#(blocks|fixtures)\//.test(specifier) && specifier !== ASSEMBLY) {
        const { name } = targetOf(specifier);
        const edge = edges.find(({ from, to }) => from === room.name && to === name);
        if (edge) used.add(edge);
        else add(`block ${room.name} imports block ${name}, which ${EDGES} does not list`);
      }
    }
  }

  for (const edge of edges) {
    const add = (message: string) => findings.push({ file: EDGES, line: edge.line, message });
    if (!used.has(edge)) add(`nothing uses the edge ${edge.from} → ${edge.to}`);
    if (edge.reason.trim() === '') add(`the edge ${edge.from} → ${edge.to} has no reason`);
  }
  return findings;
}

export const imports: Rule = { name: 'imports', find };
