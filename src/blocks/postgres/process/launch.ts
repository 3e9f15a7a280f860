/**
 * How Postgres programs are started. Two things decide: who we are (Postgres refuses to run as root), and whether the
 * kernel can tie the child to us, so that a killed server leaves no Postgres behind.
 *
 * Tied (Linux): `setpriv --pdeathsig INT` makes the kernel send SIGINT (fast shutdown) when the thread that started it
 * ends; so start it from the main thread. A shell in between looks whether we had died before that took effect.
 * Root: `unshare --user` gives Postgres another uid in its own user namespace, while for every file it stays root, so
 * data and programs may lie in a tree of mode 0700. The uid must have a name, because initdb looks it up; 1000 need not.
 */
import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { embeddedErrors } from '../errors.ts';
import { type Installation, programOf } from './installation.ts';
import { findProgram } from './program-environment.ts';
import { type Command, type ProgramEnd, runProgram } from './run-program.ts';

export interface Account {
  uid: number;
  gid: number;
}

export interface Launch {
  /** Whether the kernel signals Postgres when this process dies. */
  readonly tied: boolean;
  /** Whom Postgres's files belong to, as this process sees it. */
  readonly account: Account;
  command(program: string, args: readonly string[]): Command;
}

const IF_PARENT_LIVES = '[ "$PPID" = "$0" ] || exit 0; exec "$@"';

export interface LaunchShape {
  tied: boolean;
  /** The uid that Postgres sees in a user namespace of its own. */
  namespaceUid?: number;
  /** Another user to run as; needs root. */
  as?: Account;
}

/** Undefined when this machine lacks a program for it. */
export function makeLaunch(shape: LaunchShape): Launch | undefined {
  const prefix: string[] = [];
  if (shape.tied) {
    const setpriv = process.platform === 'linux' ? findProgram('setpriv') : undefined;
    if (!setpriv) return undefined;
    prefix.push(setpriv, '--pdeathsig', 'INT', '/bin/sh', '-c', IF_PARENT_LIVES, String(process.pid));
  }
  if (shape.namespaceUid !== undefined) {
    const unshare = process.platform === 'linux' ? findProgram('unshare') : undefined;
    if (!unshare) return undefined;
    prefix.push(unshare, '--user', `--map-user=${shape.namespaceUid}`, `--map-group=${shape.namespaceUid}`);
  }
  const as = shape.as;
  return {
    tied: shape.tied,
    account: as ?? ownAccount(),
    command(program, args) {
      const [file = program, ...rest] = [...prefix, program, ...args];
      return { file, args: rest, ...(as ? { as } : {}) };
    },
  };
}

export function ownAccount(): Account {
  return { uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1 };
}

/** Whether our uid has a name; initdb wants one, and a container may run us under a bare number. */
export function hasName(): boolean {
  try {
    userInfo();
    return true;
  } catch {
    return false;
  }
}

export interface NamedAccount extends Account {
  name: string;
}

/** The accounts of /etc/passwd, without root. */
export function otherAccounts(passwd = readFileSync('/etc/passwd', 'utf8')): NamedAccount[] {
  return passwd
    .split('\n')
    .map((line) => line.split(':'))
    .map(([name = '', , uid, gid]) => ({
      name,
      uid: Number.parseInt(uid ?? '', 10),
      gid: Number.parseInt(gid ?? '', 10),
    }))
    .filter(({ name, uid, gid }) => name !== '' && uid > 0 && gid > 0);
}

/** 65534 last: in a namespace it also stands for every uid that is not mapped. */
export function namespaceUid(accounts: readonly Account[]): number | undefined {
  return (accounts.find(({ uid }) => uid !== 65534) ?? accounts[0])?.uid;
}

/** Runs `postgres --version` that way: finds out about namespaces, old tools and a missing glibc in one go (10 ms). */
export function probe(
  launch: Launch,
  installation: Installation,
  environment: Record<string, string>,
  signal: AbortSignal,
): Promise<ProgramEnd> {
  return runProgram(launch.command(programOf(installation, 'postgres'), ['--version']), {
    environment,
    signal,
  });
}

/**
 * The first of `shapes` in which Postgres can be run.
 * @returns what the last one said, if none can
 */
export async function firstThatRuns(
  shapes: readonly LaunchShape[],
  installation: Installation,
  environment: Record<string, string>,
  signal: AbortSignal,
): Promise<{ launch: Launch } | { launch: undefined; failure: Error }> {
  let failure = 'it needs setpriv or unshare';
  for (const shape of shapes) {
    const launch = makeLaunch(shape);
    if (!launch) continue;
    const { ok, ending, said } = await probe(launch, installation, environment, signal);
    if (ok && said.join(' ').includes(`PostgreSQL) ${installation.major}`)) return { launch };
    failure = `it ${ending}; it said: ${said.join(' | ')}`;
  }
  return {
    launch: undefined,
    failure: embeddedErrors.postgres_missing({
      detail: `the embedded Postgres cannot run here as uid ${ownAccount().uid}: ${failure}; ${ownAccount().uid === 0 ? 'run the server as another user, or ' : ''}set database.primary to a Postgres of your own`,
    }),
  };
}
