/** Which nodes a walk has met, forgotten at once by counting walks. */
export interface Seen {
  /** A new walk, which has met none. */
  begin(): void;
  /** Whether it has not been met; it has now. */
  meet(node: number): boolean;
}

const WALKS_MAX = 0xffff_ffff;

export function createSeen(nodes: number): Seen {
  const walks = new Uint32Array(nodes);
  let walk = 0;
  return {
    begin() {
      if (walk === WALKS_MAX) {
        walks.fill(0);
        walk = 0;
      }
      walk += 1;
    },
    meet(node) {
      if (walks[node] === walk) return false;
      walks[node] = walk;
      return true;
    },
  };
}
