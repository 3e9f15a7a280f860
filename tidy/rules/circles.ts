/**
 * No file needs itself: following imports, types included, never leads back. Whoever reads a file can read what it stands on
 * first. Found as strongly connected components (Tarjan, "Depth-First Search and Linear Graph Algorithms", 1972).
 */
import { posix } from 'node:path';
import { roomOf } from '../rooms.ts';
import type { Finding, Rule } from '../rule.ts';
import { importsOf } from '../syntax.ts';
import type { Module, Tree } from '../tree.ts';

/** Imports across rooms point one way by another rule. */
function importedBy(tree: Tree, module: Module): string[] {
  return importsOf(module.program)
    .filter(({ specifier }) => specifier.startsWith('.'))
    .map(({ specifier }) => posix.normalize(posix.join(posix.dirname(module.path), specifier)))
    .filter((path) => tree.module(path) !== undefined);
}

interface Visit {
  index: number;
  low: number;
  isOpen: boolean;
}

function componentsOf(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const visits = new Map<string, Visit>();
  const open: string[] = [];
  const found: string[][] = [];

  function visit(path: string): Visit {
    const own = { index: visits.size, low: visits.size, isOpen: true };
    visits.set(path, own);
    open.push(path);
    for (const next of graph.get(path) ?? []) {
      const known = visits.get(next);
      if (!known) own.low = Math.min(own.low, visit(next).low);
      else if (known.isOpen) own.low = Math.min(own.low, known.index);
    }
    if (own.low === own.index) {
      const component = open.splice(open.indexOf(path));
      for (const member of component) (visits.get(member) as Visit).isOpen = false;
      found.push(component);
    }
    return own;
  }

  for (const path of graph.keys()) if (!visits.has(path)) visit(path);
  return found;
}

function find(tree: Tree): Finding[] {
  const modules = tree.modules.filter(({ path }) => roomOf(path) !== undefined);
  const graph = new Map(modules.map((module) => [module.path, importedBy(tree, module)]));
  return componentsOf(graph).flatMap((members) => {
    const [first = ''] = members.sort();
    const isCircle = members.length > 1 || graph.get(first)?.includes(first);
    if (!isCircle) return [];
    return [{ file: first, line: 1, message: `imports lead in a circle: ${members.join(', ')}` }];
  });
}

export const circles: Rule = { name: 'circles', find };
