/**
 * What the npm scripts of a checkout run: `node bin/npm-script.mjs [--dev] <entry.ts> [args…]`. Installs what is
 * missing, then hands over to Node 24. Plain JavaScript for Node 18 and later, no dependency.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { handOver } from './hand-over.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const COMPLAINTS_MAX = 4;
const startedAtMs = Date.now();
process.env.LOADSTONE_STARTED_AT_MS = String(startedAtMs);

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages ?? {};
  } catch {
    return undefined;
  }
}

function fitsHere(entry) {
  const allows = (list, value) => list === undefined || [list].flat().includes(value);
  return allows(entry.os, process.platform) && allows(entry.cpu, process.arch);
}

/** The packages of the lock file that should be here and are not, or are in another version. */
function missingPackages(withDev) {
  const wanted = readPackages(join(root, 'package-lock.json'));
  if (wanted === undefined) return ['package-lock.json'];
  const installed = readPackages(join(root, 'node_modules', '.package-lock.json')) ?? {};
  return Object.keys(wanted).filter((path) => {
    const entry = wanted[path];
    if (path === '' || entry.link || !fitsHere(entry)) return false;
    if ((entry.dev || entry.devOptional) && !withDev) return false;
    if (entry.optional && entry.libc && !existsSync(join(root, path))) return false;
    return installed[path]?.version !== entry.version || !existsSync(join(root, path));
  });
}

function elapsed() {
  return `${((Date.now() - startedAtMs) / 1000).toFixed(1).padStart(6)} s`;
}

/** The first things that npm complains about, on one line. */
function firstComplaints(stderr) {
  const lines = stderr.split('\n').map((line) => line.replace(/^npm error ?/, '').trim());
  return lines.filter(Boolean).slice(0, COMPLAINTS_MAX).join('; ');
}

/** Whether packages for development are here: omitting them now would remove them. */
function hasDev() {
  const installed = readPackages(join(root, 'node_modules', '.package-lock.json')) ?? {};
  return Object.values(installed).some((entry) => entry.dev === true);
}

/**
 * By the lock file, which stays as it is. Not `npm ci`: that begins by removing what is there, and refuses altogether
 * where the registry lacks a package for some other platform.
 */
function install(withDev, missing) {
  const isFirst = !existsSync(join(root, 'node_modules', '.package-lock.json'));
  const what = isFirst
    ? `installing dependencies, Node 24 and Postgres 18 among them: some ${withDev ? 460 : 305} MB on disk, about ${withDev ? 40 : 20} s`
    : `installing ${missing} missing ${missing === 1 ? 'dependency' : 'dependencies'}`;
  process.stdout.write(`${elapsed()}  ${what}\n`);
  const npm = process.env.npm_execpath;
  const args = [
    'install',
    '--no-save',
    '--no-fund',
    '--no-audit',
    '--loglevel=error',
    withDev || hasDev() ? '--include=dev' : '--omit=dev',
  ];
  const [command, commandArgs] = npm?.endsWith('.js') ? [process.execPath, [npm, ...args]] : ['npm', args];
  const result = spawnSync(command, commandArgs, {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  if (result.status === 0) {
    process.stdout.write(`${elapsed()}  installed\n`);
    return;
  }
  const why = result.error?.message ?? firstComplaints(result.stderr);
  process.stderr.write(`loadstone: installing the dependencies failed: ${why}\n`);
  process.exit(1);
}

const [first, ...rest] = process.argv.slice(2);
const withDev = first === '--dev';
const [entry, ...args] = withDev ? rest : [first, ...rest];

const missing = missingPackages(withDev).length;
if (missing > 0) {
  install(withDev, missing);
  const stillMissing = missingPackages(withDev);
  if (stillMissing.length > 0) {
    process.stderr.write(`loadstone: npm left these out: ${stillMissing.join(', ')}\n`);
    process.exit(1);
  }
}
// Compiled modules are kept beside the dependencies; where that is not writable they are simply not kept.
const cache = join(root, 'node_modules', '.cache', 'loadstone');
await handOver(join(root, entry), args, join(root, 'package.json'), cache);
