/**
 * Below which number nothing can appear in the outbox any more, so that a read may begin there and not at the dead rows
 * that vacuum has yet to remove. Pure.
 *
 * Numbers are drawn before transactions commit, so the highest one seen says nothing: a lower one may still come, and if
 * it were passed over, a later event of its key would overtake it. A fixed delay says nothing either. What is certain:
 * each transaction gets its id before it draws a number (`core.next_outbox_seq`). So when `seq` has been seen, all that
 * draw below it have ids below the one that the relay's next transaction gets; and once no id below that is under way,
 * whatever they wrote is visible, and is taken by the read that sees so.
 *
 * States:  idle ──a batch takes up to `seq`──▶ seen(seq) ──the next batch has the id `xid`──▶ bounded(seq, xid)
 *           ▲                                              ──a batch sees no lower id under way──┘   │
 *           └── and the low watermark is above `seq` ◀───────────────────────────────────────────────────────┘
 */
export interface Batch {
  /** The highest number taken; undefined when there was none to take. */
  lastSeq: string | undefined;
  /** The batch's own transaction id. */
  xid: bigint;
  /** The lowest id under way when it read. */
  xidMin: bigint;
}

export interface LowWatermark {
  /** To be passed to the next read: it takes all that is there from here on, in order. */
  seq(): bigint;
  /** Told of each batch that has been committed, in order. */
  moved(batch: Batch): void;
}

type State = { kind: 'idle' } | { kind: 'seen'; seq: bigint } | { kind: 'bounded'; seq: bigint; xid: bigint };

/** @param start a low watermark that was certain before */
export function createLowWatermark(start: bigint): LowWatermark {
  let lowWatermark = start;
  let state: State = { kind: 'idle' };

  return {
    seq: () => lowWatermark,
    moved({ lastSeq, xid, xidMin }) {
      if (state.kind === 'bounded' && xidMin >= state.xid) {
        // A batch that was full has left what is above its last number.
        const seq = lastSeq === undefined || BigInt(lastSeq) > state.seq ? state.seq : BigInt(lastSeq);
        if (seq + 1n > lowWatermark) lowWatermark = seq + 1n;
        state = { kind: 'idle' };
      }
      if (state.kind === 'seen') state = { kind: 'bounded', seq: state.seq, xid };
      else if (state.kind === 'idle' && lastSeq !== undefined) state = { kind: 'seen', seq: BigInt(lastSeq) };
    },
  };
}
