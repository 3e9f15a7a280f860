import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { isLoadstoneError } from '#base/errors';
import { cacheControl, type ExpiryInput, parseExpiry, TTL_S_MAX } from './expiry.ts';

const NOW_MS = Date.UTC(2026, 1, 1, 12);
const LAST_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

function refusal(input: ExpiryInput): string | undefined {
  try {
    parseExpiry(input, NOW_MS);
  } catch (error) {
    assert(isLoadstoneError(error), `${JSON.stringify(input)} threw ${error}`);
    assert.equal(error.code, 'expiry_invalid');
    return error.errors?.[0]?.pointer;
  }
  return undefined;
}

suite('ttl', () => {
  test('counts from now', () => {
    assert.equal(parseExpiry({ ttl: 1 }, NOW_MS), NOW_MS + 1000);
    assert.equal(parseExpiry({ ttl: TTL_S_MAX }, NOW_MS), NOW_MS + TTL_S_MAX * 1000);
  });

  test('is whole seconds, at least one and at most ten years', () => {
    for (const ttl of [0, -1, 0.5, 1.5, TTL_S_MAX + 1, 2 ** 53, 1e308, Infinity, -Infinity, NaN]) {
      assert.equal(refusal({ ttl }), '/ttl', String(ttl));
    }
  });
});

suite('expiresAt', () => {
  const cases: [why: string, text: string, iso: string][] = [
    ['UTC', '2026-02-01T12:00:01Z', '2026-02-01T12:00:01.000Z'],
    ['lower case', '2027-01-01t00:00:00z', '2027-01-01T00:00:00.000Z'],
    ['an offset to the east', '2030-01-01T00:30:00+05:45', '2029-12-31T18:45:00.000Z'],
    ['an offset to the west', '2030-12-31T23:00:00-08:00', '2031-01-01T07:00:00.000Z'],
    ['the unknown offset', '2030-01-01T00:00:00-00:00', '2030-01-01T00:00:00.000Z'],
    ['the widest offset', '2030-01-02T00:00:00+23:59', '2030-01-01T00:01:00.000Z'],
    ['fractions, cut to milliseconds', '2030-01-01T00:00:00.9999999Z', '2030-01-01T00:00:00.999Z'],
    ['one digit of a fraction', '2030-01-01T00:00:00.5Z', '2030-01-01T00:00:00.500Z'],
    ['a leap day', '2028-02-29T00:00:00Z', '2028-02-29T00:00:00.000Z'],
    ['the last millisecond', '9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'],
    ['year 9999 by its offset', '9999-12-31T23:59:59.999+01:00', '9999-12-31T22:59:59.999Z'],
  ];
  for (const [why, text, iso] of cases) {
    test(why, () => assert.equal(parseExpiry({ expiresAt: text }, NOW_MS), Date.parse(iso)));
  }

  test('is refused when it is no RFC 3339 time with an offset', () => {
    const bad = [
      ...[
        '',
        ' ',
        'tomorrow',
        '2030',
        '2030-01',
        '2030-01-01',
        '2030-01-01T00:00',
        '2030-01-01T00:00Z',
        '1 Jan 2030',
      ],
      ...[
        '2030-01-01T00:00:00',
        '2030-01-01 00:00:00Z',
        '2030-01-01T00:00:00 Z',
        ' 2030-01-01T00:00:00Z',
        '1893456000',
      ],
      ...[
        '2030-01-01T00:00:00Z ',
        '2030-01-01T00:00:00Z\n',
        '2030-01-01T00:00:00,5Z',
        '2030-01-01T00:00:00.Z',
      ],
      ...['2030-02-29T00:00:00Z', '2030-02-30T00:00:00Z', '2030-04-31T00:00:00Z', '2030-00-01T00:00:00Z'],
      ...['2030-13-01T00:00:00Z', '2030-01-00T00:00:00Z', '2030-01-32T00:00:00Z', '2030-01-01T24:00:00Z'],
      ...['2030-01-01T25:00:00Z', '2030-01-01T00:60:00Z', '2030-06-30T23:59:60Z', '2030-01-01T00:00:61Z'],
      ...[
        '2030-01-01T00:00:00+24:00',
        '2030-01-01T00:00:00+00:60',
        '2030-01-01T00:00:00+0100',
        '2030-01-01T00:00:00+01',
      ],
      ...[
        '2030-01-01T00:00:00UTC',
        '2030-01-01T00:00:00+1:00',
        '+2030-01-01T00:00:00Z',
        '-2030-01-01T00:00:00Z',
      ],
      ...[
        '+012030-01-01T00:00:00Z',
        '10000-01-01T00:00:00Z',
        '2030-W01-1T00:00:00Z',
        '20300101T000000Z',
        '2030-1-1T0:0:0Z',
      ],
      ...[
        '２０３０-01-01T00:00:00Z',
        '2030−01−01T00:00:00Z',
        `2030-01-01T00:00:00.${'1'.repeat(31)}Z`,
        'Invalid Date',
      ],
    ];
    for (const expiresAt of bad) assert.equal(refusal({ expiresAt }), '/expiresAt', expiresAt);
  });

  test('is refused when it is not in the future, or after the year 9999', () => {
    const past = ['2026-02-01T12:00:00Z', '2026-02-01T12:00:00.000999Z', '2026-02-01T13:00:00+01:00'];
    const ancient = [
      '0000-01-01T00:00:00Z',
      '0099-12-31T23:59:59Z',
      '1970-01-01T00:00:00Z',
      '2026-01-31T12:00:00Z',
    ];
    for (const expiresAt of [...past, ...ancient, '9999-12-31T23:59:59-00:01']) {
      assert.equal(refusal({ expiresAt }), '/expiresAt', expiresAt);
    }
  });

  test('absent or null means never', () => {
    assert.equal(parseExpiry({}, NOW_MS), null);
    assert.equal(parseExpiry({ expiresAt: null }, NOW_MS), null);
    assert.equal(parseExpiry({ ttl: undefined, expiresAt: undefined }, NOW_MS), null);
  });

  test('not beside a ttl', () => {
    assert.equal(refusal({ ttl: 60, expiresAt: '2030-01-01T00:00:00Z' }), '/expiresAt');
    assert.equal(refusal({ ttl: 60, expiresAt: null }), '/expiresAt');
  });

  test('every millisecond to come is read back, at every offset', () => {
    const ms = fc.integer({ min: NOW_MS + 1, max: LAST_MS - 86_400_000 });
    const offsetMinutes = fc.integer({ min: -1439, max: 1439 });
    fc.assert(
      fc.property(ms, offsetMinutes, (atMs, offset) => {
        const local = new Date(atMs + offset * 60_000).toISOString().slice(0, -1);
        const [hours, minutes] = [Math.trunc(Math.abs(offset) / 60), Math.abs(offset) % 60];
        const written = `${offset < 0 ? '-' : '+'}${`${hours}`.padStart(2, '0')}:${`${minutes}`.padStart(2, '0')}`;
        assert.equal(parseExpiry({ expiresAt: local + written }, NOW_MS), atMs);
      }),
      { numRuns: 1000 },
    );
  });

  test('any text is a time to come, or refused', () => {
    const digits = fc.stringMatching(
      /^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](Z|[+-][0-2][0-9]:[0-6][0-9])$/,
    );
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), digits), (expiresAt) => {
        if (refusal({ expiresAt })) return;
        const atMs = parseExpiry({ expiresAt }, NOW_MS);
        assert(atMs !== null && atMs > NOW_MS && atMs <= LAST_MS);
        assert.equal(atMs, Date.parse(expiresAt));
      }),
      { numRuns: 2000 },
    );
  });
});

suite('cache-control', () => {
  const cases: [expiresAtMs: number | null, nowMs: number, maxAgeS: number, header: string][] = [
    [null, 0, 90, 'private, max-age=90'],
    [100_000, 0, 90, 'private, max-age=90'],
    [90_999, 1000, 90, 'private, max-age=89'],
    [1999, 0, 90, 'private, max-age=1'],
    [999, 0, 90, 'private, max-age=0'],
    [1000, 1000, 90, 'private, max-age=0'],
    [1000, 5000, 90, 'private, max-age=0'],
    [null, 0, 0, 'private, max-age=0'],
  ];
  for (const [expiresAtMs, nowMs, maxAgeS, header] of cases) {
    test(`${expiresAtMs} at ${nowMs}, at most ${maxAgeS} s`, () => {
      assert.equal(cacheControl(expiresAtMs, nowMs, maxAgeS), header);
    });
  }

  test('never outlives the expiry', () => {
    const ms = fc.integer({ min: 0, max: LAST_MS });
    fc.assert(
      fc.property(ms, ms, fc.integer({ min: 0, max: 31_536_000 }), (expiresAtMs, nowMs, maxAgeS) => {
        const ageS = Number(/^private, max-age=(\d+)$/.exec(cacheControl(expiresAtMs, nowMs, maxAgeS))?.[1]);
        assert(ageS <= maxAgeS && (ageS === 0 || nowMs + ageS * 1000 <= expiresAtMs));
      }),
    );
  });
});
