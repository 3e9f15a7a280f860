/**
 * Compiles src to dist when the package is packed, since Node strips no types under node_modules. The compiled tree has
 * a package.json of its own, so that its `#` imports mean its own files. Prints to standard error: `npm pack --json`
 * owns standard output.
 */
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createChildren } from './children.ts';

const ROOT = join(import.meta.dirname, '..');

/** What the compiled files read at run time. */
const ASSETS = '**/*.{sql,html,css}';

/** `./src/blocks/x.ts` is `./blocks/x.js`; the declarations are found beside it. Fixtures are not compiled. */
function compiledImports(imports: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(imports)
      .filter(([from]) => !/^#(system-)?fixtures\//.test(from))
      .map(([from, to]) => [from, to.replace(/^\.\/src\//, './').replace(/\.ts$/, '.js')]),
  );
}

/**
 * @param out an absolute directory, replaced; somewhere below the root, so that packages are found from it
 * @returns the compiler's complaints; empty when all is well
 */
export async function pack(out: string): Promise<string> {
  rmSync(out, { recursive: true, force: true });
  const { code, output } = await createChildren(ROOT).capture([
    'node_modules/typescript/bin/tsc',
    ...['-p', 'tidy/tsconfig.pack.json', '--outDir', out, '--pretty', 'false'],
  ]);
  if (code !== 0) return output || `exit code ${code}`;
  for (const asset of globSync(ASSETS, { cwd: join(ROOT, 'src') })) {
    mkdirSync(dirname(join(out, asset)), { recursive: true });
    cpSync(join(ROOT, 'src', asset), join(out, asset));
  }
  const { imports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    imports: Record<string, string>;
  };
  const manifest = { type: 'module', imports: compiledImports(imports) };
  writeFileSync(join(out, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  return '';
}

// The bootstrap imports this file, so `import.meta.main` does not tell.
if (process.argv[1] === import.meta.filename) {
  const complaints = await pack(join(ROOT, 'dist'));
  if (complaints !== '') console.error(complaints);
  process.exitCode = complaints === '' ? 0 : 1;
}
