/**
 * Which partitions a member should give up and which it should take, from what it sees of its group. Pure: all members
 * who see the same come to shares that fit together, without talking to each other.
 */

export interface ShareView {
  me: string;
  /** Live members, this one among them or not yet. */
  members: readonly string[];
  /** `holder` is undefined for a partition that is free or whose holder is no live member. */
  partitions: readonly { partition: number; holder: string | undefined }[];
}

export interface Share {
  /** Held, but more than this member's share. */
  surplus: number[];
  /** Free, and wanted to fill this member's share. */
  wanted: number[];
}

/**
 * Each member's share is the same, but for the remainder, which goes to the first by name. Partitions stay where they are
 * as long as that fits, so a member that comes or goes moves as few as can be.
 */
export function planShare({ me, members, partitions }: ShareView): Share {
  const names = [...new Set([...members, me])].sort();
  const rank = names.indexOf(me);
  const size =
    Math.floor(partitions.length / names.length) + (rank < partitions.length % names.length ? 1 : 0);
  const held = partitions.filter(({ holder }) => holder === me).map(({ partition }) => partition);
  const free = partitions.filter(({ holder }) => holder === undefined).map(({ partition }) => partition);
  // Members who look at once begin at different places, so that they seldom want the same one.
  const start = names.length > 1 ? Math.floor((free.length * rank) / names.length) : 0;
  const wanted = [...free.slice(start), ...free.slice(0, start)].slice(0, Math.max(0, size - held.length));
  return { surplus: held.slice(size), wanted };
}
