/**
 * Runs a short program (initdb, single-user Postgres, a probe) to its end, in a process group of its own.
 */
import { spawn } from 'node:child_process';

export interface Command {
  file: string;
  args: readonly string[];
  /** Whom it runs as, when not as us. */
  as?: { uid: number; gid: number };
}

export interface ProgramEnd {
  /** In words: "ended with code 1". */
  ending: string;
  ok: boolean;
  /** The non-empty lines it wrote, without the beginning if they are many. */
  said: string[];
}

const OUTPUT_CHARS_MAX = 16_384;

/**
 * @param signal kills the whole group; the promise then rejects with its reason, once the program has ended
 */
export function runProgram(
  command: Command,
  options: { environment: Record<string, string>; input?: string; signal: AbortSignal },
): Promise<ProgramEnd> {
  options.signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const child = trySpawn(command, options.environment);
    if ('ending' in child) return resolve(child);
    let output = '';
    const keep = (chunk: string) => {
      output = (output + chunk).slice(-OUTPUT_CHARS_MAX);
    };
    child.stdout.setEncoding('utf8').on('data', keep);
    child.stderr.setEncoding('utf8').on('data', keep);
    // A program that ends without reading its input breaks the pipe; its exit code tells what happened.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');

    const onAbort = () => {
      if (child.pid !== undefined) killGroup(child.pid);
    };
    options.signal.addEventListener('abort', onAbort, { once: true });
    const settle = (ending: string, ok: boolean) => {
      options.signal.removeEventListener('abort', onAbort);
      if (options.signal.aborted) return reject(options.signal.reason);
      const lines = output.split('\n').map((line) => line.trim());
      resolve({ ending, ok, said: lines.filter(Boolean) });
    };
    child.on('error', (error) =>
      settle(`could not be run (${(error as NodeJS.ErrnoException).code})`, false),
    );
    child.on('close', (code, name) =>
      settle(code === null ? `was ended by ${name}` : `ended with code ${code}`, code === 0),
    );
  });
}

/** Some failures (EPERM: we may not become that user) are thrown, others come as an event. */
function trySpawn(command: Command, environment: Record<string, string>) {
  try {
    return spawn(command.file, command.args, {
      ...command.as,
      env: environment,
      stdio: ['pipe', 'pipe', 'pipe'],
      cwd: '/',
      detached: true,
    });
  } catch (error) {
    const ending = `could not be run (${(error as NodeJS.ErrnoException).code})`;
    return { ending, ok: false, said: [] };
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
