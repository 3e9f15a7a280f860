import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { isLoadstoneError } from '#base/errors';
import { readConfiguration, type StartFlags } from './config.ts';

const directory = mkdtempSync(join(tmpdir(), 'loadstone-config-'));
after(() => rmSync(directory, { recursive: true }));

let files = 0;
function write(yaml: string): string {
  const file = join(directory, `${++files}.yaml`);
  writeFileSync(file, yaml);
  return file;
}

const read = (yaml: string, flags: StartFlags = {}, env: NodeJS.ProcessEnv = {}) =>
  readConfiguration({ ...flags, config: write(yaml) }, env);

async function refusal(yaml: string, flags: StartFlags = {}, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const error = await read(yaml, flags, env).then(
    () => assert.fail(`taken: ${yaml}`),
    (reason: unknown) => reason,
  );
  assert(isLoadstoneError(error), String(error));
  assert.doesNotMatch(error.message, /\n/);
  return error.message;
}

test('an empty file leaves the defaults', async () => {
  const { options, systemOptions, definitions } = await read('');
  assert.equal(options.listen, '127.0.0.1:8080');
  assert.equal(options.data, './data');
  assert.deepEqual(options.systems, ['links']);
  assert.deepEqual(
    definitions.map(({ name }) => name),
    ['links'],
  );
  assert.equal((systemOptions.links as { browserMaxAgeS: number }).browserMaxAgeS, 90);
  assert.deepEqual((await read('# nothing\n')).options, options);
});

test('flags win over the environment, and that over the file, for every option that has all three', async () => {
  const layers = { flags: undefined, env: undefined, file: undefined };
  const names = [
    ['data', 'LOADSTONE_DATA', './x', './y'],
    ['listen', 'LOADSTONE_LISTEN', '127.0.0.1:1', '127.0.0.1:2'],
    ['publicUrl', 'LOADSTONE_PUBLIC_URL', 'https://a.example', 'https://b.example'],
  ] as const;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...names),
      fc.subarray(Object.keys(layers), { minLength: 1 }),
      async ([option, variable, one, two], set) => {
        const third = { data: './z', listen: '127.0.0.1:3', publicUrl: 'https://c.example' }[option];
        const { options } = await read(
          set.includes('file') ? `${option}: ${third}` : '',
          set.includes('flags') ? { [option]: one } : {},
          set.includes('env') ? { [variable]: two } : {},
        );
        const expected = set.includes('flags') ? one : set.includes('env') ? two : third;
        assert.equal(options[option], expected);
      },
    ),
    { numRuns: 30 },
  );
});

test('a layer adds to a group of options without replacing the rest of it', async () => {
  const { options } = await read(
    'database: {poolMax: 3}\nlog: {rawSampleEvery: 7}\n',
    { logLevel: 'debug' },
    { LOADSTONE_DATABASE: 'postgres://db.example/x', LOADSTONE_LOG_LEVEL: 'warn' },
  );
  assert.equal(options.database.poolMax, 3);
  assert.equal(options.database.primary, 'postgres://db.example/x');
  const { level, format, rawSampleEvery } = options.log;
  assert.deepEqual([level, format, rawSampleEvery], ['debug', 'auto', 7]);
});

test('LOADSTONE_CONFIG names the file, and --config another', async () => {
  const [one, two] = [write('listen: 127.0.0.1:1'), write('listen: 127.0.0.1:2')];
  const env = { LOADSTONE_CONFIG: one };
  assert.equal((await readConfiguration({}, env)).options.listen, '127.0.0.1:1');
  assert.equal((await readConfiguration({ config: two }, env)).options.listen, '127.0.0.1:2');
});

test('a file that is missing, is a directory, or is not a mapping in YAML is refused with its path', async () => {
  const missing = join(directory, 'none.yaml');
  await assert.rejects(readConfiguration({ config: missing }, {}), {
    message: `config: ${missing} does not exist`,
  });
  mkdirSync(join(directory, 'a-directory'));
  await assert.rejects(readConfiguration({ config: join(directory, 'a-directory') }, {}), {
    message: /a-directory cannot be read$/,
  });
  assert.match(await refusal('- listen\n'), /\.yaml: must be a mapping of options$/);
  assert.match(await refusal('listen: "127'), /\.yaml: .* at line 1, column \d+$/);
  assert.match(await refusal('data: a\ndata: b\n'), /\.yaml: Map keys must be unique at line 2, column 1$/);
  assert.match(await refusal('data: a\n---\ndata: b\n'), /\.yaml: .*multiple documents.*/);
});

test('unknown keys and impossible values are refused with path, value and what is allowed', async () => {
  const cases: [string, RegExp][] = [
    ['colour: blue', /^colour: .*not known.*\blisten\b/],
    ['http: {bodySize: 5}', /^http\.bodySize: .*not known.*\bbodyBytesMax\b/],
    ['links: {ttl: 5}', /^links\.ttl: .*not known.*\bbrowserMaxAgeS\b/],
    [
      'http: {bodyBytesMax: -1}',
      /^http\.bodyBytesMax: -1 is not allowed; allowed is an integer from 1024 to 16777216$/,
    ],
    ['http: {bodyBytesMax: 1MiB}', /^http\.bodyBytesMax: "1MiB" is not allowed; allowed is an integer/],
    ['http: {bodyBytesMax: 2000.5}', /^http\.bodyBytesMax: 2000\.5 is not allowed/],
    ['http: 5', /^http: 5 is not allowed; allowed is an object/],
    ['database: {poolMax: 0}', /^database\.poolMax: 0 is not allowed; allowed is an integer from 1 to 100$/],
    ['listen: 8080', /^listen: 8080 is not allowed/],
    ['listen: ":8080"', /^listen: ":8080" is not allowed/],
    ['data: [a]', /^data: .* is not allowed; allowed is a string/],
    ['data: ""', /^data: "" is not allowed/],
    ['log: {level: loud}', /^log\.level: "loud" is not allowed; allowed is "fatal", /],
    ['publicUrl: ftp://x.example', /^publicUrl: "ftp:\/\/x\.example" is not allowed/],
    ['publicUrl: https://x.example/path', /^publicUrl: /],
    ['trustedProxies: [nginx]', /^trustedProxies\.0: "nginx" is not allowed/],
    ['systems: links', /^systems: "links" is not allowed; allowed is a list/],
    ['systems: [chess]', /^systems: "chess" is not known; known is links, or a path such as \.\/chess$/],
    ['systems: [links, links]', /^systems: links is named twice$/],
    ['systems: [./nowhere]', /^systems: \.\/nowhere has no module/],
  ];
  for (const [yaml, line] of cases) assert.match(await refusal(yaml), line, yaml);
});

test('the same holds for flags and the environment', async () => {
  assert.match(await refusal('', { listen: 'nowhere' }), /^listen: "nowhere" is not allowed/);
  assert.match(await refusal('', {}, { LOADSTONE_LISTEN: '' }), /^listen: "" is not allowed/);
  assert.match(await refusal('', {}, { LOADSTONE_LOG_LEVEL: 'loud' }), /^log\.level: "loud" is not allowed/);
  assert.match(await refusal('', { database: 'mysql://x' }), /^database\.primary: /);
});

test('a path in the file starts from the file, one in a flag from the working directory', async () => {
  const system = join(directory, 'empty');
  mkdirSync(system);
  writeFileSync(
    join(system, 'index.mjs'),
    "import { defineSystem, optionsSchema } from 'loadstone';\n" +
      "export default defineSystem({ name: 'empty', summary: 'Nothing.', options: optionsSchema({}), create: () => ({ routes: [] }) });\n",
  );
  const { definitions } = await read('systems: [links, ./empty]');
  assert.deepEqual(
    definitions.map(({ name }) => name),
    ['links', 'empty'],
  );
  const message = await refusal('', { systems: 'links, ./empty' });
  assert.match(message, new RegExp(`^systems: ${process.cwd()}/empty has no module`));
});

test('addresses that look right but cannot exist are refused with their path', async () => {
  for (const url of ['https://go.example.com:99999', 'http://a b', 'http://127.0.0.1:0']) {
    assert.match(await refusal(`publicUrl: '${url}'`), /^publicUrl: ".*" is not allowed: .*; allowed is /);
  }
  for (const network of ['10.0.0.0/99', '999.1.1.1', '::1/129', '1.2.3']) {
    assert.match(
      await refusal(`trustedProxies: ['${network}']`),
      /^trustedProxies\.0: ".*" is not allowed; allowed is /,
    );
  }
  const { options } = await read(
    "publicUrl: 'https://go.example.com:8443'\ntrustedProxies: ['10.0.0.0/8', '::1']",
  );
  assert.deepEqual(options.trustedProxies, ['10.0.0.0/8', '::1']);
});

test('a public address is used as its origin, and what a person cannot see is named', async () => {
  const publicUrl = async (text: string) =>
    (await read('', {}, { LOADSTONE_PUBLIC_URL: text })).options.publicUrl;
  assert.equal(await publicUrl('HTTPS://Go.Example.COM:443/'), 'https://go.example.com');
  assert.equal((await read('publicUrl: http://Go.Example:80')).options.publicUrl, 'http://go.example');
  assert.equal(
    (await read('', { publicUrl: 'https://bücher.example' })).options.publicUrl,
    'https://xn--bcher-kva.example',
  );
  assert.equal(
    await refusal('', {}, { LOADSTONE_PUBLIC_URL: 'https://go.example.com\r' }),
    'publicUrl: "https://go.example.com\\r" is not allowed: it has a control character (U+000D) at its end; allowed is http:// or https:// and a host, without a path',
  );
});

test('the other addresses and paths go by the same rule', async () => {
  const cases: [string, NodeJS.ProcessEnv, RegExp][] = [
    [
      '',
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://h:4318\r' },
      /^traces\.endpoint: ".*" is not allowed: it has a control/,
    ],
    ['traces: {endpoint: "http://u:p@h"}', {}, /^traces\.endpoint: .*: it has credentials/],
    [
      '',
      { LOADSTONE_DATABASE: 'postgres://u:hunter2@h/d\r' },
      /^database\.primary: the value given is not allowed: it has a control/,
    ],
    [
      'database: {replicas: ["postgres://h/d ", "postgres://h/e"]}',
      {},
      /^database\.replicas\.0: the value given is not allowed: it has a space/,
    ],
    [
      '',
      { LOADSTONE_DATA: './data\r' },
      /^data: "\.\/data\\r" is not allowed; allowed is a string of at least 1 character, without control characters$/,
    ],
    ['', { LOADSTONE_SYSTEMS: './mine\u0001' }, /^systems\.0: ".*" is not allowed/],
  ];
  for (const [yaml, env, line] of cases) {
    const message = await refusal(yaml, {}, env);
    assert.match(message, line);
    assert.doesNotMatch(message, /hunter2/);
  }
  const { options } = await read('traces: {endpoint: "HTTP://H.example:80/otlp//"}');
  assert.equal(options.traces.endpoint, 'http://h.example/otlp');
});

test('processes and role come from flags, environment or file, and what they cannot be is told', async () => {
  const { options } = await read('processes: 2\nrole: worker\n', {}, { LOADSTONE_PROCESSES: '3' });
  assert.deepEqual([options.processes, options.role], [3, 'worker']);
  assert.equal((await read('', { processes: '4' }, { LOADSTONE_PROCESSES: '3' })).options.processes, 4);
  assert.equal((await read('', {}, { LOADSTONE_ROLE: 'api' })).options.role, 'api');
  for (const text of ['0', '65', '1.5', 'many', '-1']) {
    assert.match(await refusal('', { processes: text }), /^processes: .* is not allowed; allowed is /);
  }
  assert.match(await refusal('', {}, { LOADSTONE_ROLE: 'edge' }), /^role: "edge" is not allowed/);
});

test('beside the embedded Postgres there are as many processes as it has connections for', async () => {
  assert.match(
    await refusal('', { processes: '11' }),
    /^processes: 11 are more than .*; allowed is 1 to 10, /,
  );
  const database = 'postgres://x@y/z';
  assert.equal((await read('', { processes: '64', database })).options.processes, 64);
});

test('a joined process is one, and takes a free port on the host of the file', async () => {
  const file = 'listen: "[::1]:8080"\nprocesses: 4\n';
  const joined = await read(file, { join: './x' });
  assert.deepEqual(
    [joined.isJoined, joined.options.data, joined.options.listen, joined.options.processes],
    [true, './x', '[::1]:0', 1],
  );
  assert.equal((await read(file, { join: './x', listen: '127.0.0.1:9' })).options.listen, '127.0.0.1:9');
  assert.equal((await read(file)).isJoined, false);
});
