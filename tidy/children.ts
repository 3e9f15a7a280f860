/**
 * Child processes of the check runner. All run on this Node, and none outlives it: an interrupt is passed on, and the
 * runner ends when they have.
 */
import { type ChildProcess, spawn } from 'node:child_process';

export interface Ended {
  /** The exit code; 1 for a child that a signal ended. */
  code: number;
  /** Both outputs, when they were captured. */
  output: string;
}

export interface Children {
  /** Runs a script to its end, its output captured. */
  capture(args: readonly string[]): Promise<Ended>;
  /** Runs a script to its end on this process's own output. */
  stream(args: readonly string[], env: Record<string, string>): Promise<Ended>;
  /** Ends all of them and starts no more; the runs under way settle. */
  interrupt(signal: NodeJS.Signals): void;
}

/** @param cwd where they run */
export function createChildren(cwd: string): Children {
  const running = new Set<{ end(signal: NodeJS.Signals): void }>();
  let isInterrupted = false;

  function settle(child: ChildProcess, end: (signal: NodeJS.Signals) => void): Promise<Ended> {
    const entry = { end };
    running.add(entry);
    const chunks: Buffer[] = [];
    for (const output of [child.stdout, child.stderr]) output?.on('data', (chunk) => chunks.push(chunk));
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => {
        running.delete(entry);
        resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString('utf8') });
      });
    });
  }

  return {
    async capture(args) {
      if (isInterrupted) return INTERRUPTED;
      // A group of its own, because the launchers of the tools start a process each that must end with them.
      const child = spawn(process.execPath, args, { cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
      return settle(child, () => killGroup(child));
    },
    async stream(args, env) {
      if (isInterrupted) return INTERRUPTED;
      // In our own group, so that whoever kills that group, or types Ctrl-C, reaches the tests as well.
      const inherited = { ...process.env, NODE_TEST_CONTEXT: undefined, LOADSTONE_STARTED_AT_MS: undefined };
      const child = spawn(process.execPath, args, {
        cwd,
        env: { ...inherited, ...env },
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      return settle(child, (signal) => child.kill(signal));
    },
    interrupt(signal) {
      isInterrupted = true;
      for (const { end } of running) end(signal);
    },
  };
}

const INTERRUPTED: Ended = { code: 1, output: 'interrupted' };

/** At once: the tools of a check have nothing to tidy up, and the compiler finishes its work before it heeds SIGTERM. */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // It has ended, and only its outputs are still open.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
