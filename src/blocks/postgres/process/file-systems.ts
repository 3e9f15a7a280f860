/**
 * Where the data is: on a file system of this machine, or on one that others share, whose locks are another matter.
 */
import { statfsSync } from 'node:fs';

/** By the magic numbers of statfs(2) on Linux. */
const SHARED: ReadonlyMap<number, string> = new Map([
  [0x6969, 'nfs'],
  [0x517b, 'smb'],
  [0xff534d42, 'cifs'],
  [0xfe534d42, 'smb2'],
  [0x65735546, 'fuse'],
  [0x01021997, '9p'],
  [0x5346414f, 'afs'],
  [0x73757245, 'coda'],
  [0x00c36400, 'ceph'],
  [0x01161970, 'gfs2'],
  [0x7461636f, 'ocfs2'],
  [0x0bd00bd0, 'lustre'],
  [0x47504653, 'gpfs'],
  [0x786f4256, 'vboxsf'],
]);

/** Of a file system that more than one machine may have; undefined for one that is this machine's own. */
export function fileSystemOf(type: number): string | undefined {
  // Some kernels give the upper half of 32 bits as a negative number.
  return SHARED.get(type >>> 0);
}

/** What a person should know of the file system that `directory` is on; undefined if nothing. */
export function noteOnFileSystem(directory: string): string | undefined {
  if (process.platform !== 'linux') return undefined;
  const name = fileSystemOf(statfsSync(directory).type);
  if (name === undefined) return undefined;
  return `${directory} is on ${name}: that no server of another machine works on it too rests on the locks of that file system; on NFS they are its server's (not with nolock or local_lock), and others may keep them on each machine alone`;
}
