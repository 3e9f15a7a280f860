/**
 * A process that can see no other by its pid, as in a container of its own.
 */
import { spawnSync } from 'node:child_process';

/** Runs the command that follows. A signal to it ends everything inside. */
export const UNSHARE = [
  'unshare',
  ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']),
  '--pid',
  '--ipc',
  '--mount',
  '--mount-proc',
  '--fork',
  '--kill-child',
];

/** Why there can be no such process here; false if there can. */
export const apartFromHere: string | false = (() => {
  const [file = '', ...args] = [...UNSHARE, 'true'];
  const { status, stderr, error } = spawnSync(file, args, { encoding: 'utf8' });
  if (status === 0) return false;
  return `no pid namespace of its own is allowed here: ${error?.message ?? stderr.trim()}`;
})();
