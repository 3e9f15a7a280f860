import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createLowWatermark, type LowWatermark } from './low-watermark.ts';

/** Writers are few, so that each is often in the middle of something. */
const WRITERS = 4;

type Step =
  /** A writer's next step: it gets an id, then draws numbers, then ends. */
  | { kind: 'writer'; writer: number; isAborted: boolean }
  /** The relay's next step: it gets an id, then reads and commits. */
  | { kind: 'relay'; limit: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('writer' as const),
      writer: fc.nat(WRITERS - 1),
      isAborted: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('relay' as const), limit: fc.integer({ min: 1, max: 4 }) }),
  },
);

interface Writer {
  xid: bigint;
  seqs: bigint[];
}

/** Postgres, as far as it matters here: ids and numbers are handed out in turn, rows become visible at the commit. */
function createModel(lowWatermark: LowWatermark) {
  const writers = new Map<number, Writer>();
  let visible: bigint[] = [];
  let ownXid: bigint | undefined;
  let lastXid = 0n;
  let lastSeq = 0n;

  function writeOn(which: number, isAborted: boolean): void {
    const writer = writers.get(which);
    if (!writer) {
      lastXid += 1n;
      writers.set(which, { xid: lastXid, seqs: [] });
    } else if (writer.seqs.length === 0) {
      writer.seqs = [lastSeq + 1n, lastSeq + 2n];
      lastSeq += 2n;
    } else {
      writers.delete(which);
      if (!isAborted) visible.push(...writer.seqs);
    }
  }

  function relay(limit: number): void {
    if (ownXid === undefined) {
      lastXid += 1n;
      ownXid = lastXid;
      return;
    }
    const xid = ownXid;
    ownXid = undefined;
    const from = lowWatermark.seq();
    const [oldest] = [...writers.values()].map((writer) => writer.xid).sort((a, b) => Number(a - b));
    const xidMin = oldest !== undefined && oldest < xid ? oldest : xid;
    const sorted = visible.sort((a, b) => Number(a - b));
    assert(
      sorted.every((seq) => seq >= from),
      'a row below the low watermark has become visible',
    );
    const taken = sorted.slice(0, limit);
    visible = sorted.slice(limit);
    lowWatermark.moved({ lastSeq: taken.at(-1)?.toString(), xid, xidMin });
    for (const seq of [...visible, ...[...writers.values()].flatMap(({ seqs }) => seqs)]) {
      assert(seq >= lowWatermark.seq(), 'the low watermark has passed a row that is yet to come');
    }
  }

  return {
    perform: (step: Step) =>
      step.kind === 'writer' ? writeOn(step.writer, step.isAborted) : relay(step.limit),
    /** Everybody ends, and a few rows more are written and moved. */
    finish(): bigint {
      for (const which of [...writers.keys()]) {
        while (writers.has(which)) writeOn(which, false);
      }
      for (let i = 0; i < 5; i++) {
        for (let part = 0; part < 3; part++) writeOn(0, false);
        for (let part = 0; part < 2; part++) relay(1000);
      }
      return lastSeq;
    },
  };
}

const history = (make: () => LowWatermark) =>
  fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
    const lowWatermark = make();
    const model = createModel(lowWatermark);
    for (const each of steps) model.perform(each);
    const lastSeq = model.finish();
    assert(lowWatermark.seq() >= lastSeq - 10n, 'the low watermark follows when nobody is in the way');
  });

test('the low watermark never passes what may still appear, and follows when it can', () => {
  fc.assert(
    history(() => createLowWatermark(0n)),
    { numRuns: 3000 },
  );
});

/** What looks just as good, and is not. */
const broken: Record<string, () => LowWatermark> = {
  'passes all that it has seen': () => {
    let lowWatermark = 0n;
    return {
      seq: () => lowWatermark,
      moved: ({ lastSeq }) => {
        if (lastSeq !== undefined && BigInt(lastSeq) >= lowWatermark) lowWatermark = BigInt(lastSeq) + 1n;
      },
    };
  },
  'compares with the id of the batch that saw the row': () => {
    const lowWatermark = createLowWatermark(0n);
    let xidBefore = 0n;
    return {
      seq: lowWatermark.seq,
      moved(batch) {
        lowWatermark.moved({ ...batch, xid: xidBefore });
        xidBefore = batch.xid;
      },
    };
  },
  'forgets that a full batch leaves rows': () => {
    const lowWatermark = createLowWatermark(0n);
    let highest = 0n;
    return {
      seq: lowWatermark.seq,
      moved(batch) {
        const last = BigInt(batch.lastSeq ?? 0);
        if (last > highest) highest = last;
        lowWatermark.moved({ ...batch, lastSeq: highest === 0n ? undefined : String(highest) });
      },
    };
  },
};

for (const [what, make] of Object.entries(broken)) {
  test(`the model finds a low watermark that ${what}`, () => {
    const found = fc.check(history(make), { numRuns: 20_000, endOnFailure: true });
    assert.match(String(found.errorInstance), /low watermark/);
  });
}
