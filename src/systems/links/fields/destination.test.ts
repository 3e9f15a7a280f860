import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { isLoadstoneError } from '#base/errors';
import { ownHosts, parseDestination, URL_BYTES_MAX } from './destination.ts';

const nobody = () => false;
const own = ownHosts('https://go.example', ['127.0.0.1:8080']);

function refusal(input: string, by = own) {
  try {
    parseDestination(input, by);
  } catch (error) {
    assert(isLoadstoneError(error), `${JSON.stringify(input)} threw ${error}`);
    return error;
  }
  return undefined;
}

function assertRefused(code: string, inputs: readonly string[], by = own): void {
  for (const input of inputs) {
    const error = refusal(input, by);
    const shown = JSON.stringify(input).slice(0, 100);
    assert.equal(error?.code, code, shown);
    assert.equal(error?.status, 422, shown);
    assert.equal(error?.errors?.[0]?.pointer, '/url', shown);
  }
}

suite('what a destination becomes', () => {
  const cases: [why: string, input: string, normal: string][] = [
    ['a path is added', 'https://example.com', 'https://example.com/'],
    ['scheme and host in lower case, the path as it is', 'HTTPS://Example.COM/A', 'https://example.com/A'],
    ['the default port goes', 'http://example.com:80/', 'http://example.com/'],
    ['another port stays', 'https://example.com:8443/', 'https://example.com:8443/'],
    ['an empty port goes', 'https://example.com:/', 'https://example.com/'],
    ['the highest port', 'https://example.com:65535/', 'https://example.com:65535/'],
    ['an international host', 'https://bücher.example/ü', 'https://xn--bcher-kva.example/%C3%BC'],
    ['an emoji host', 'https://💌.example/', 'https://xn--rr8h.example/'],
    ['dot segments', 'https://example.com/a/./b/../c', 'https://example.com/a/c'],
    ['a backslash in the path', 'https://example.com/a\\b', 'https://example.com/a/b'],
    ['a backslash in the query', 'https://example.com/?a\\b', 'https://example.com/?a\\b'],
    ['an @ after the authority', 'https://example.com/@me?to=a@b#@', 'https://example.com/@me?to=a@b#@'],
    ['a space within', 'https://example.com/a b?c d#e f', 'https://example.com/a%20b?c%20d#e%20f'],
    ['percent-encoding as it was', 'https://example.com/%2f%zz%', 'https://example.com/%2f%zz%'],
    ['encoded CR and LF stay encoded', 'https://example.com/%0d%0aX:1', 'https://example.com/%0d%0aX:1'],
    ['a fragment', 'https://example.com/#/äpp', 'https://example.com/#/%C3%A4pp'],
    ['empty query and fragment', 'https://example.com/?#', 'https://example.com/?#'],
    ['the dot of the root', 'https://example.com./', 'https://example.com./'],
    ['IPv4 in other bases', 'http://0xC0.0250.1/', 'http://192.168.0.1/'],
    ['IPv6', 'http://[2001:DB8:0::1]/', 'http://[2001:db8::1]/'],
    ['a host of one label', 'http://wiki/Home', 'http://wiki/Home'],
    ['a private address', 'http://10.0.0.7:3000/', 'http://10.0.0.7:3000/'],
    ['loopback at a port that is not ours', 'http://localhost:3000/', 'http://localhost:3000/'],
    ['an underscore in a host', 'http://my_host.example/', 'http://my_host.example/'],
  ];
  for (const [why, input, normal] of cases) {
    test(why, () => assert.equal(parseDestination(input, own), normal));
  }
});

suite('what is refused', () => {
  test('other schemes', () => {
    const schemes = ['javascript', 'JavaScript', 'data', 'vbscript', 'file', 'ftp', 'blob', 'about', 'ws'];
    assertRefused('url_scheme_not_allowed', [
      ...schemes.map((scheme) => `${scheme}:alert(1)`),
      'blob:https://example.com/1',
      'view-source:https://example.com/',
      'mailto:a@b.example',
      'localhost:3000/x',
      `${'s'.repeat(500)}://example.com/`,
    ]);
  });

  test('no scheme', () => {
    assertRefused('url_invalid', [
      '',
      'example.com',
      '//example.com/',
      '/a',
      '?a',
      '#a',
      '://a',
      '1http://a',
      'ä:b',
    ]);
  });

  test('no "://" and host', () => {
    assertRefused('url_invalid', [
      ...[
        'http:',
        'http:/',
        'http:x',
        'http:/x',
        'http://',
        'http:///',
        'http:///x',
        'https://?x',
        'https://#x',
      ],
      ...[
        'https:\\\\x',
        'https:/\\x',
        'https:\\/x',
        'https://\\x',
        'https://x\\y',
        'https://x\\@y/',
        'http:\\x',
      ],
      ...['http://:80/', 'http://:/', 'http://./', 'http://../x'],
    ]);
  });

  test('control characters, also those that the parser would strip', () => {
    const controls = Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)).concat('\u007f');
    for (const control of controls) {
      assertRefused('url_invalid', [
        `https://exam${control}ple.com/`,
        `https://example.com/a${control}b`,
        `https://example.com/${control}`,
        `${control}https://example.com/`,
        `ht${control}tps://example.com/`,
        `java${control}script:alert(1)`,
      ]);
    }
  });

  test('surrounding space of every kind', () => {
    for (const space of [
      ' ',
      '\u0085',
      '\u00a0',
      '\u1680',
      '\u2003',
      '\u2028',
      '\u2029',
      '\u3000',
      '\ufeff',
    ]) {
      assertRefused('url_invalid', [`${space}https://example.com/`, `https://example.com/#a${space}`]);
    }
  });

  test('half of a surrogate pair', () => {
    assertRefused('url_invalid', [
      'https://example.com/\ud800',
      'https://\udc00.example/',
      'https://a/?\udbffx',
    ]);
  });

  test('credentials, however empty', () => {
    assertRefused('url_credentials_not_allowed', [
      ...[
        'https://user:pw@example.com/',
        'https://user@example.com/',
        'https://@example.com/',
        'https://:@a.example/',
      ],
      ...[
        'https://www.bank.example@evil.example/',
        'https://a@b@c.example/',
        'https://a%40b@c.example',
        'https://@',
      ],
    ]);
  });

  test('impossible hosts', () => {
    assertRefused('url_invalid', [
      ...['http://a..b/', 'http://.a/', 'http://a../', 'http://a.。b/', 'http://a%2e%2eb/', 'http://...'],
      ...['http://a b/', 'http://a%00b/', 'http://a%0d%0ab/', 'http://a%2fb/', 'http://a<b/', 'http://a＠b/'],
      ...[
        'http://1.2.3.4.5/',
        'http://256.1.1.1/',
        'http://[::1/',
        'http://[1.2.3.4]/',
        'http://[fe80::1%25eth0]/',
      ],
      ...['http://\u00ad/', 'http://a：80/'],
    ]);
  });

  test('impossible ports', () => {
    const ports = ['0', '65536', '99999999999999999999', '-1', '+80', 'x', '80:80', '８０'];
    assertRefused('url_invalid', [...ports.map((port) => `http://a.example:${port}/`), 'http://[::1]:0/']);
  });
});

suite('length', () => {
  const start = 'https://example.com/';

  test('8192 bytes are allowed, one more is not', () => {
    const longest = start.padEnd(URL_BYTES_MAX, 'x');
    assert.equal(parseDestination(longest, own), longest);
    assertRefused('url_too_long', [`${longest}x`, start.padEnd(9 * 1024, 'x'), 'x'.repeat(1_000_000)]);
  });

  test('bytes count, not characters', () => {
    assertRefused('url_too_long', [start.padEnd(5000, 'é')]);
  });

  test('the normal form counts too', () => {
    assert.equal(parseDestination(start.padEnd(1300, 'é'), own).length, start.length + 1280 * 6);
    assertRefused('url_too_long', [start.padEnd(1400, 'é')]);
  });
});

suite('our own hosts', () => {
  const cases: [why: string, publicUrl: string, listen: string[], ours: string[], others: string[]][] = [
    [
      'a public name at its default port is ours at 80 and 443, in every spelling',
      'https://Go.Example/',
      ['10.1.2.3:8080'],
      [
        'https://go.example',
        'http://go.example',
        'https://GO.EXAMPLE./x',
        'http://go.example:443',
        'https://go。example',
      ],
      ['https://go.example:8080', 'https://www.go.example', 'https://go.example.com', 'http://10.1.2.3'],
    ],
    [
      'a public name at another port is ours there only',
      'https://go.example:8443',
      [],
      ['https://go.example:8443/a', 'http://go.example:8443/a'],
      ['https://go.example/', 'http://go.example/', 'http://go.example:8080/'],
    ],
    [
      'an international name is ours in both spellings',
      'https://bücher.example',
      [],
      ['https://xn--bcher-kva.example', 'https://BÜCHER.example', 'https://b%C3%BCcher.example'],
      ['https://bucher.example'],
    ],
    [
      'an address is ours in every notation',
      'http://10.1.2.3:8080',
      ['10.1.2.3:8080'],
      [
        'http://167838211:8080',
        'http://0xa.0x1.0x203:8080',
        'http://[::ffff:10.1.2.3]:8080',
        'http://012.1.2.3:8080',
      ],
      ['http://10.1.2.4:8080', 'http://localhost:8080', 'http://10.1.2.3:8081'],
    ],
    [
      'IPv6',
      'http://[2001:db8::1]:8080',
      [],
      ['http://[2001:0DB8:0:0::1]:8080'],
      ['http://[2001:db8::2]:8080'],
    ],
  ];
  for (const [why, publicUrl, listen, ours, others] of cases) {
    test(why, () => {
      const by = ownHosts(publicUrl, listen);
      assertRefused('url_own_host', ours, by);
      for (const other of others) assert.equal(refusal(other, by), undefined, other);
    });
  }

  for (const listen of ['127.0.0.1:8080', 'localhost:8080', '[::1]:8080', '0.0.0.0:8080', '[::]:8080']) {
    test(`listening on ${listen}, all of loopback is ours at that port`, () => {
      const by = ownHosts('https://go.example', [listen]);
      const names = [
        '127.0.0.1',
        '127.0.0.2',
        '127.1',
        '0x7f.1',
        '2130706433',
        '017700000001',
        '①②⑦.0.0.1',
        '0',
      ];
      const more = ['localhost', 'LOCALHOST.', 'x.localhost', 'ip6-localhost', '[::1]', '[0:0::1]', '[::]'];
      const all = [...names, ...more, '[::ffff:127.0.0.1]', '[::ffff:7f00:2]', '0.0.0.0', '127.0.0.1.'];
      assertRefused(
        'url_own_host',
        all.flatMap((host) => [`http://${host}:8080/x`, `https://${host}:8080`]),
        by,
      );
      for (const host of all) assert.equal(refusal(`http://${host}:8081/`, by), undefined, host);
      assert.equal(refusal('http://notlocalhost:8080/', by), undefined);
    });
  }
});

suite('properties', () => {
  /** Any sequence of UTF-16 code units, whole pairs or not. */
  const anyText = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 60 }).map((units) => {
    return String.fromCharCode(...units);
  });
  const piece = fc.oneof(
    fc.constantFrom(
      ...[
        'http',
        'https',
        'HTTP',
        '://',
        ':',
        '/',
        '//',
        '\\',
        '?',
        '#',
        '@',
        '.',
        '..',
        '%',
        '%2e',
        '%00',
        '%25',
      ],
      ...[
        'localhost',
        '127.0.0.1',
        '0x7f.1',
        '[::1]',
        '[',
        ']',
        'go.example',
        'xn--',
        'xn--bcher-kva',
        ':80',
        ':8080',
      ],
      ...[
        '。',
        '．',
        '\u00ad',
        '\u200d',
        'ß',
        'İ',
        '٣',
        '①',
        '💌',
        'א',
        '\t',
        '\r\n',
        ' ',
        '\u00a0',
        "'",
        '"',
        '<',
        '^',
        '|',
      ],
    ),
    fc.string({ maxLength: 5 }),
    fc.string({ unit: 'binary', maxLength: 3 }),
  );
  const pieces = fc.array(piece, { maxLength: 12 }).map((parts) => parts.join(''));
  const nearlyUrl = fc.tuple(fc.constantFrom('http://', 'https://', ''), pieces).map(([a, b]) => a + b);
  const url = fc.webUrl({ withFragments: true, withQueryParameters: true });
  const input = fc.oneof(anyText, nearlyUrl, fc.string({ unit: 'binary' }), url);

  test('any text gives a normal form or a refusal of the field', () => {
    fc.assert(
      fc.property(input, (text) => {
        const error = refusal(text);
        if (!error) return;
        assert.equal(error.status, 422);
        assert.equal(error.errors?.[0]?.pointer, '/url');
      }),
      { numRuns: 5000 },
    );
  });

  test('a normal form is ASCII, re-parses to itself, and is not ours', () => {
    fc.assert(
      fc.property(input, (text) => {
        if (refusal(text)) return;
        const normal = parseDestination(text, own);
        assert.match(normal, /^https?:\/\/[^/?#@\\]+\/[\x21-\x7e]*$/);
        assert.equal(parseDestination(normal, own), normal);
        assert.equal(own(new URL(normal)), false);
      }),
      { numRuns: 5000 },
    );
  });

  test('an ordinary URL is never refused', () => {
    fc.assert(
      fc.property(url, (text) => assert.equal(parseDestination(text, nobody), new URL(text).href)),
      { numRuns: 1000 },
    );
  });

  test('our own host is refused in any case, at any path', () => {
    const spelling = fc.mixedCase(fc.constantFrom('go.example', 'go.example.', 'go.example:443'));
    fc.assert(
      fc.property(spelling, fc.webPath(), (host, path) => {
        assert.equal(refusal(`https://${host}${path}`)?.code, 'url_own_host');
      }),
    );
  });
});
