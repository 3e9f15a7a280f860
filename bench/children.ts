/**
 * The processes of a bench. None outlives it: they are ended when it ends, and those that are given a channel notice
 * when it is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const STOP_MS_MAX = 60_000;
const ERROR_BYTES_MAX = 2000;

export interface Child {
  pid: number;
  /** Everything on standard output so far. */
  output(): string;
  /** What matches in the output, as soon as it does; rejects when the child ends first or the time is up. */
  matches(pattern: RegExp, timeoutMs: number): Promise<string>;
  /** Resolves with the whole output when the child has ended well; the child is killed when the time is up. */
  ended(timeoutMs: number): Promise<string>;
  /** Asks the child to stop and waits until it has; rejects when it failed in that, or had to be killed. */
  stop(): Promise<void>;
}

export interface ChildOptions {
  cwd?: string;
  env?: Record<string, string>;
  /** Where standard error goes; its end is quoted when the child fails. */
  errorFile: string;
  /** Whether the child gets a channel, whose closing tells it that this process has gone. */
  hasChannel?: boolean;
}

export interface Children {
  start(command: readonly string[], options: ChildOptions): Child;
  /** Stops those that still run; for when the bench has failed or was interrupted. */
  stopAll(): Promise<void>;
}

/** The lines are quoted by errors, so that a person sees why a server did not start. */
function endOf(file: string): string {
  return readFileSync(file, 'utf8').slice(-ERROR_BYTES_MAX).trim();
}

/** Without our own settings, which would make it another server than the one that is described. */
function inheritedEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('LOADSTONE_')));
}

function watch(child: ChildProcess, name: string, errorFile: string): Child {
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const closed = new Promise<{ status: string; isWell: boolean }>((resolve) => {
    child.once('error', (error) => resolve({ status: error.message, isWell: false }));
    child.once('close', (code, signal) => {
      resolve({ status: signal ?? `exit status ${code}`, isWell: code === 0 });
    });
  });
  const failure = (status: string) =>
    new Error(`${name}: ${status}\n${output.slice(-500)}\n${endOf(errorFile)}`);

  async function closedWithin(timeoutMs: number): Promise<{ status: string; isWell: boolean } | undefined> {
    const cancel = new AbortController();
    const late = delay(timeoutMs, undefined, { signal: cancel.signal }).catch(() => undefined);
    try {
      return await Promise.race([closed, late]);
    } finally {
      cancel.abort();
    }
  }

  async function kill(): Promise<void> {
    child.kill('SIGKILL');
    await closed;
  }

  return {
    pid: child.pid ?? -1,
    output: () => output,
    matches(pattern, timeoutMs) {
      return new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(failure(`not ready within ${timeoutMs / 1000} s`)), timeoutMs);
        closed.then(({ status }) => reject(failure(status))).finally(() => clearTimeout(late));
        function look(): void {
          const found = pattern.exec(output);
          if (!found) return;
          child.stdout?.off('data', look);
          clearTimeout(late);
          resolve(found[1] ?? found[0]);
        }
        child.stdout?.on('data', look);
        look();
      });
    },
    async ended(timeoutMs) {
      const end = await closedWithin(timeoutMs);
      if (!end) await kill();
      if (!end?.isWell) throw failure(end?.status ?? `still running after ${timeoutMs / 1000} s`);
      return output;
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      const end = await closedWithin(STOP_MS_MAX);
      if (!end) await kill();
      if (end?.isWell || end?.status === 'SIGTERM') return;
      throw failure(end?.status ?? `still running ${STOP_MS_MAX / 1000} s after SIGTERM`);
    },
  };
}

export function createChildren(): Children {
  const running = new Set<Child>();
  return {
    start([program = '', ...args], { cwd, env, errorFile, hasChannel = false }) {
      const errors = openSync(errorFile, 'a', 0o600);
      const child = spawn(program, args, {
        cwd,
        env: { ...inheritedEnvironment(), ...env },
        stdio: ['ignore', 'pipe', errors, ...(hasChannel ? (['ipc'] as const) : [])],
      });
      closeSync(errors);
      const watched = watch(child, [program, ...args].join(' '), errorFile);
      running.add(watched);
      child.once('close', () => running.delete(watched));
      return watched;
    },
    async stopAll() {
      await Promise.allSettled([...running].map((child) => child.stop()));
    },
  };
}
