/**
 * What is known of where Postgres runs.
 */
import type { Installation } from './process/installation.ts';
import type { Launch } from './process/launch.ts';

export interface Site {
  installation: Installation;
  launch: Launch;
  environment: Record<string, string>;
  /** Absolute, without symbolic links; need not exist yet. */
  dataDirectory: string;
  /** Makes the library links again that are in a private directory, where a cleaner of temporary files may find them. */
  relink?: () => void;
}

export interface SiteOptions {
  /** As root: `auto` takes a user namespace where that is allowed, else another user. */
  rootStrategy: 'auto' | 'user-namespace' | 'other-user';
  /** `auto` ties Postgres to this process where the machine can. */
  tie: 'auto' | 'never';
  /** Where programs and data go if another user must run them and cannot enter where they are. */
  otherUserDirectory: string;
}

export interface SiteDeps {
  signal: AbortSignal;
  report: (line: string) => void;
  /** A name that nobody can guess or has taken. */
  randomName: () => string;
  /** Told of a directory made outside the data directory; its remover is whoever stops Postgres. */
  onPrivateDirectory: (directory: string) => void;
}
