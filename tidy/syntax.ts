/**
 * Reading syntax trees (ESTree, as oxc-parser makes them).
 */
import { type Expression, type Node, type Program, visitorKeys } from 'oxc-parser';

/** Calls `visit` for each node, outer before inner; `parents` ends with the nearest and changes after the call. */
export function walk(root: Node, visit: (node: Node, parents: readonly Node[]) => void): void {
  const parents: Node[] = [];
  function step(node: Node): void {
    visit(node, parents);
    parents.push(node);
    for (const key of visitorKeys[node.type] ?? []) {
      const child = (node as unknown as Record<string, Node | (Node | null)[] | null | undefined>)[key];
      if (Array.isArray(child)) {
        for (const item of child) if (item) step(item);
      } else if (child) step(child);
    }
    parents.pop();
  }
  step(root);
}

export interface Import {
  specifier: string;
  start: number;
  /** What is taken from the module; empty for a namespace, a side effect, a re-export or an `import()`. */
  names: readonly { name: string; start: number }[];
}

/** Everything a program takes from elsewhere and names by a literal, types included. */
export function importsOf(program: Program): Import[] {
  const found: Import[] = [];
  const add = (source: Node | null, names: Import['names'] = []) => {
    const specifier = source && stringValue(source);
    if (source && specifier !== undefined && specifier !== null) {
      found.push({ specifier, start: source.start, names });
    }
  };
  walk(program, (node) => {
    if (node.type === 'ImportDeclaration') {
      const names = node.specifiers.flatMap((s) =>
        s.type === 'ImportSpecifier' ? [{ name: nameOf(s.imported) ?? '', start: s.start }] : [],
      );
      add(node.source, names);
    }
    if (node.type === 'ExportAllDeclaration' || node.type === 'ExportNamedDeclaration') add(node.source);
    if (node.type === 'ImportExpression' || node.type === 'TSImportType') add(node.source);
  });
  return found;
}

/** The text of a string literal or of a template without substitutions. */
export function stringValue(node: Node): string | undefined {
  if (node.type === 'Literal' && typeof node.value === 'string') return node.value;
  if (node.type === 'TemplateLiteral' && node.expressions.length === 0) return node.quasis[0]?.value.raw;
  return undefined;
}

/** The name of an identifier, a quoted key or a string export name. */
export function nameOf(node: Node): string | undefined {
  return node.type === 'Identifier' ? node.name : stringValue(node);
}

/** The global that an expression names: `x` for `x` and for `globalThis.x`. */
export function globalName(node: Node): string | undefined {
  if (node.type === 'Identifier') return node.name;
  if (node.type !== 'MemberExpression' || node.computed) return undefined;
  const { object, property } = node;
  const isGlobal = object.type === 'Identifier' && (object.name === 'globalThis' || object.name === 'global');
  return isGlobal && property.type === 'Identifier' ? property.name : undefined;
}

/** The leftmost name of a chain: `test` for `test.skip`, `t` for `t.test`. */
export function rootName(node: Expression | Node): string | undefined {
  if (node.type === 'Identifier') return node.name;
  if (node.type === 'MemberExpression') return rootName(node.object);
  return node.type === 'CallExpression' ? rootName(node.callee) : undefined;
}

/** Whether an identifier is read as a value here, rather than being a key, a declared name or part of a type. */
export function isReference(node: Node, parent: Node | undefined): boolean {
  if (node.type !== 'Identifier' || !parent) return false;
  if (parent.type.startsWith('TS') && !/^TS(As|Satisfies|NonNull)/.test(parent.type)) return false;
  switch (parent.type) {
    case 'MemberExpression':
      return parent.object === node || parent.computed;
    case 'Property':
      return parent.value === node;
    case 'VariableDeclarator':
      return parent.init === node;
    case 'ImportSpecifier':
    case 'ImportDefaultSpecifier':
    case 'ImportNamespaceSpecifier':
    case 'ExportSpecifier':
    case 'FunctionDeclaration':
    case 'FunctionExpression':
    case 'MethodDefinition':
    case 'PropertyDefinition':
    case 'ClassDeclaration':
      return false;
    case 'ArrowFunctionExpression':
      return parent.body === node;
    default:
      return true;
  }
}
