/**
 * Time, randomness, output and the environment come from src/base (and src/cli for the last two), so that tests and
 * simulations can drive them. Tests may read the machine's clock and environment, but neither sleep nor roll dice.
 */
import type { ObjectPattern } from 'oxc-parser';
import { isTest, roomOf } from '../rooms.ts';
import type { Finding, Rule } from '../rule.ts';
import { globalName, importsOf, isReference, nameOf, walk } from '../syntax.ts';
import type { Module, Tree } from '../tree.ts';

const INSTEAD = {
  time: 'take a Clock from #base/clock',
  sleep: 'wait by a Clock from #base/clock, or for a real condition',
  timer: 'take a Clock from #base/clock',
  dice: 'take a Random from #base/random',
  secrets: 'take a Random from #base/random',
  output: 'take a Log from #base/log',
  environment: 'let the cli read it and pass an option',
  exit: 'throw, and let the cli decide',
} as const;
type Ban = keyof typeof INSTEAD;

const CRYPTO_RANDOMNESS = [
  'getRandomValues',
  'randomBytes',
  'randomFill',
  'randomFillSync',
  'randomInt',
  'randomUUID',
];

const GLOBALS = new Map<string, Ban>([
  ['setTimeout', 'sleep'],
  ['setInterval', 'sleep'],
  ['setImmediate', 'timer'],
  ['console', 'output'],
]);

/** Members of globals, and what may be imported from the modules that hold them. */
const MEMBERS = new Map<string, Ban>([
  ['AbortSignal.timeout', 'timer'],
  ['Date.now', 'time'],
  ['Math.random', 'dice'],
  ['performance.now', 'time'],
  ['process.env', 'environment'],
  ['process.exit', 'exit'],
  ['process.hrtime', 'time'],
]);

function banOfMember(object: string, property: string): Ban | undefined {
  return CRYPTO_RANDOMNESS.includes(property) ? 'secrets' : MEMBERS.get(`${object}.${property}`);
}

function banOfImport(specifier: string, name: string): Ban | undefined {
  const from = specifier.replace(/^node:/, '');
  if (from === 'timers' || from === 'timers/promises') {
    return name === 'setImmediate' ? 'timer' : 'sleep';
  }
  if (from === 'crypto') return CRYPTO_RANDOMNESS.includes(name) ? 'secrets' : undefined;
  if (from === 'process') return MEMBERS.get(`process.${name}`);
  return from === 'perf_hooks' && name === 'performance' ? 'time' : undefined;
}

function bannedIn(path: string): ReadonlySet<Ban> {
  const room = roomOf(path);
  if (room === undefined && !path.startsWith('bin/')) return new Set();
  if (room === undefined || room.layer === 'around') return new Set<Ban>(['dice']);
  if (isTest(path)) return new Set<Ban>(['dice', 'sleep']);
  if (room.layer === 'base' || room.layer === 'cli') return new Set();
  return new Set(Object.keys(INSTEAD) as Ban[]);
}

interface Use {
  what: string;
  ban: Ban;
  start: number;
}

function usesByImport({ program }: Module): Use[] {
  return importsOf(program).flatMap(({ specifier, names }) =>
    names.flatMap(({ name, start }) => {
      const ban = banOfImport(specifier, name);
      return ban ? [{ what: `${name} of ${specifier}`, ban, start }] : [];
    }),
  );
}

function usesByPattern(object: string, pattern: ObjectPattern): Use[] {
  return pattern.properties.flatMap((property) => {
    const name = property.type === 'Property' ? nameOf(property.key) : undefined;
    const ban = name === undefined ? undefined : banOfMember(object, name);
    return ban ? [{ what: `${object}.${name}`, ban, start: property.start }] : [];
  });
}

function usesBySyntax({ program }: Module): Use[] {
  const uses: Use[] = [];
  walk(program, (node, parents) => {
    const add = (what: string, ban: Ban | undefined) => ban && uses.push({ what, ban, start: node.start });
    const global = globalName(node);
    if (global !== undefined && (node.type !== 'Identifier' || isReference(node, parents.at(-1)))) {
      add(global, GLOBALS.get(global));
    }
    if (node.type === 'MemberExpression' && !node.computed && node.property.type === 'Identifier') {
      const object = globalName(node.object) ?? '';
      add(`${object}.${node.property.name}`, banOfMember(object, node.property.name));
    }
    if (node.type === 'VariableDeclarator' && node.id.type === 'ObjectPattern' && node.init) {
      uses.push(...usesByPattern(globalName(node.init) ?? '', node.id));
    }
    const isCall = node.type === 'NewExpression' || node.type === 'CallExpression';
    if (isCall && globalName(node.callee) === 'Date' && node.arguments.length === 0) {
      add(node.type === 'NewExpression' ? 'new Date()' : 'Date()', 'time');
    }
  });
  return uses;
}

function find(tree: Tree): Finding[] {
  return tree.modules.flatMap((module) => {
    const banned = bannedIn(module.path);
    if (banned.size === 0) return [];
    return [...usesByImport(module), ...usesBySyntax(module)]
      .filter(({ ban }) => banned.has(ban))
      .map(({ what, ban, start }) => ({
        file: module.path,
        line: module.lineAt(start),
        message: `${what} is banned here: ${INSTEAD[ban]}`,
      }));
  });
}

export const bans: Rule = { name: 'bans', find };
