/**
 * docs/concepts/your-own-system.md as it stands: its files are written, its server is started, its commands are run, and what
 * they answer is what it says.
 */
import assert from 'node:assert/strict';
import { createWriteStream, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { loadDrilled } from '#drills/drilled-systems';
import { BOOTSTRAP, createScene, FREE_PORT, type Loadstone, ROOT } from '../process.fixture.ts';

const DOCUMENT = readFileSync(join(ROOT, 'docs', 'concepts', 'your-own-system.md'), 'utf8');
/** As it is written there. */
const [ORIGIN, PROGRAM] = ['http://127.0.0.1:8080', 'npx loadstone'];

const files = [...DOCUMENT.matchAll(/^`([\w./]+)`:\n\n```\w+\n(.*?)^```$/gms)].map(
  ([, path = '', text = '']) => ({
    path,
    text,
  }),
);
const commands = [...DOCUMENT.matchAll(/^```\n(\$ .*?)^```$/gms)].flatMap(([, block = '']) =>
  block
    .split(/^\$ /m)
    .slice(1)
    .map((each) => {
      const [line = '', ...answer] = each.split('\n');
      return { line, answer: answer.join('\n').trim() };
    }),
);

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
/** What the document says, with anything in place of `…`. */
const pattern = (answer: string) => new RegExp(`^${answer.split('…').map(escaped).join('[^]*')}$`);

describe('the document that builds a system', () => {
  const scene = createScene({ after });
  let cwd: string;
  let server: Loadstone;

  before(async () => {
    cwd = scene.directory();
    for (const { path, text } of files) {
      mkdirSync(dirname(join(cwd, path)), { recursive: true });
      writeFileSync(join(cwd, path), text);
    }
    const data = join(cwd, 'data');
    server = await scene.start({ cwd, data, args: ['--data', data, '--listen', FREE_PORT, '--watch'] });
    server.child.stdout?.pipe(createWriteStream(join(cwd, 'start.log')));
  });

  test('has files and commands', () => {
    assert(files.some(({ path }) => path === 'wishes/index.ts') && files.length >= 10);
    assert(commands.length >= 8);
  });

  test('is right about what its commands answer', async () => {
    const [node = '', ...bootstrap] = BOOTSTRAP;
    const program = [node, ...bootstrap].map((each) => `'${each}'`).join(' ');
    let before = '';
    for (const { line, answer } of commands) {
      const command = line.replaceAll(ORIGIN, server.url).replaceAll(PROGRAM, program);
      const { code, stdout, stderr } = await scene.run(['-c', `${before}${command}`], {
        command: ['/bin/bash'],
        cwd,
        env: { KEY: server.key },
      });
      assert.equal(code, 0, `${line}\n${stdout}${stderr}`);
      assert.match(stdout.trim(), pattern(answer), line);
      // A variable is there for the commands after it.
      if (/^\w+=/.test(line)) before += `${command}\n`;
    }
  });

  test('gives it a drill', async () => {
    const [system] = await loadDrilled([join(cwd, 'wishes')], cwd);
    assert.equal(system?.name, 'wishes');
  });
});
