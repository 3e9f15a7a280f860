import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import {
  checkFrames,
  FRAME_BYTES,
  type JournalRecord,
  parseFrames,
  putFrame,
  RECORD_BYTES_CEILING,
  seedOf,
} from './frames.ts';

const FIRST = 2 ** 32 - 2;
const AT_MS = 1_800_000_000_123;
const seed = seedOf('clicks-0198f2c4a1b29f3a2c7d');

const payloads = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 });

function encode(bodies: readonly Uint8Array[], first = FIRST): Buffer {
  const buffer = Buffer.alloc(bodies.reduce((sum, { length }) => sum + FRAME_BYTES + length, 0));
  let at = 0;
  bodies.forEach((bytes, i) => {
    at = putFrame(buffer, at, { sequence: first + i, atMs: AT_MS, bytes }, seed);
  });
  assert.equal(at, buffer.length);
  return buffer;
}

const all = { seed, sequence: FIRST, from: FIRST, end: 2 ** 48, recordsMax: 1000 };
const bodiesOf = (records: readonly JournalRecord[]) => records.map(({ bytes }) => [...bytes]);

test('the checksum is CRC-32/ISO-HDLC: its check value', () => {
  assert.equal(crc32('123456789'), 0xcbf43926);
});

test('what is put is parsed, past 32 bits of sequence', () => {
  fc.assert(
    fc.property(payloads, (bodies) => {
      const parsed = parseFrames(encode(bodies), all);
      assert.deepEqual(
        bodiesOf(parsed.records),
        bodies.map((bytes) => [...bytes]),
      );
      parsed.records.forEach(({ sequence, atMs }, i) => {
        assert.deepEqual([sequence, atMs], [FIRST + i, AT_MS]);
      });
    }),
  );
});

test('a run ends before the first frame that is cut or damaged anywhere', () => {
  const damages = fc.record({
    bodies: payloads,
    where: fc.double({ min: 0, max: 1, noNaN: true }),
    flip: fc.integer({ min: 0, max: 255 }),
  });
  fc.assert(
    fc.property(damages, ({ bodies, where, flip }) => {
      const whole = encode(bodies);
      const hit = Math.min(Math.floor(where * whole.length), whole.length - 1);
      if (hit < 0) return;
      const damaged = Buffer.from(whole);
      if (flip > 0) damaged[hit] = damaged[hit]! ^ flip;
      let undamaged = 0;
      for (let end = 0; undamaged < bodies.length; undamaged++) {
        end += FRAME_BYTES + bodies[undamaged]!.length;
        if (end > hit) break;
      }
      const read = flip > 0 ? damaged : damaged.subarray(0, hit);
      assert.equal(checkFrames(read, FIRST, seed).sequence, FIRST + undamaged);
      assert.equal(parseFrames(read, all).records.length, undamaged);
    }),
  );
});

test('from, end and recordsMax bound what is given', () => {
  const buffer = encode(Array.from({ length: 10 }, (_, i) => Buffer.from([i])));
  const given = (options: object) => {
    const { records, sequence } = parseFrames(buffer, { ...all, ...options });
    return [records.map(({ bytes }) => bytes[0]), sequence - FIRST];
  };
  assert.deepEqual(given({ from: FIRST + 7 }), [[7, 8, 9], 10]);
  assert.deepEqual(given({ end: FIRST + 2 }), [[0, 1], 2]);
  assert.deepEqual(given({ from: FIRST + 2, recordsMax: 2 }), [[2, 3], 4]);
});

test('zeros, another journal’s frames and impossible lengths are no frames', () => {
  assert.equal(checkFrames(Buffer.alloc(4096), 0, seed).at, 0);
  const frame = encode([Buffer.from('x')]);
  assert.equal(checkFrames(frame, FIRST, seedOf('other')).at, 0);
  assert.equal(checkFrames(frame, FIRST + 1, seed).at, 0);
  frame.writeUInt32LE(RECORD_BYTES_CEILING + 1, 4);
  assert.equal(
    checkFrames(Buffer.concat([frame, Buffer.alloc(2 * RECORD_BYTES_CEILING)]), FIRST, seed).at,
    0,
  );
});
