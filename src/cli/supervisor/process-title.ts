/**
 * What `ps`, `top` and `pgrep` show of a process of Loadstone: what it does, and for which data directory.
 */
import process from 'node:process';

export type ProcessPart =
  | { kind: 'supervisor' }
  | { kind: 'server'; role: string; isJoined: boolean }
  | { kind: 'child'; number: number; count: number };

function nameOf(part: ProcessPart): string {
  if (part.kind === 'supervisor') return 'supervisor';
  if (part.kind === 'child') return `process ${part.number} of ${part.count}`;
  const name = part.role === 'all' ? 'server' : part.role;
  return part.isJoined ? `joined ${name}` : name;
}

/** Pure. */
export function processTitle(part: ProcessPart, dataDirectory: string): string {
  return `loadstone: ${nameOf(part)} (${dataDirectory})`;
}

/** It takes the place of the command line; the system cuts it to that one's length. */
export function setProcessTitle(part: ProcessPart, dataDirectory: string): void {
  process.title = processTitle(part, dataDirectory);
}
