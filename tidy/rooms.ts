/**
 * Which room a file belongs to, and whether it is part of the product or of its tests.
 */

/** From the ground up: a layer may import only those before it. */
export const LAYERS = ['base', 'blocks', 'systems', 'server', 'drills', 'cli', 'entry', 'around'] as const;
export type Layer = (typeof LAYERS)[number];

export interface Room {
  layer: Layer;
  /** Its directory. */
  path: string;
  /** As in `#blocks/<name>`. */
  name: string;
}

const AROUND = new Set(['bench', 'tidy', 'examples']);

/** Undefined for files that are in no room: those of the root, docs, bin and deploy. */
export function roomOf(path: string): Room | undefined {
  const [top = '', second = '', third = '', ...inside] = path.split('/');
  if (AROUND.has(top)) return { layer: 'around', path: top, name: top };
  if (top !== 'src') return undefined;
  if (second === 'base' || second === 'server' || second === 'drills' || second === 'cli') {
    return { layer: second, path: `src/${second}`, name: second };
  }
  if ((second === 'blocks' || second === 'systems') && inside.length > 0) {
    return { layer: second, path: `src/${second}/${third}`, name: third };
  }
  return { layer: 'entry', path: 'src', name: 'src' };
}

const TEST = /[./](test|suite|long|fixture|bench)\.ts$/;

/** Tests, conformance suites, their child programs, and benchmarks that live beside what they measure. */
export function isTest(path: string): boolean {
  return TEST.test(path);
}

/** The names of the blocks or systems that have files. */
export function roomNames(paths: Iterable<string>, layer: 'blocks' | 'systems'): string[] {
  const names = new Set<string>();
  for (const path of paths) {
    const room = roomOf(path);
    if (room?.layer === layer) names.add(room.name);
  }
  return [...names];
}
