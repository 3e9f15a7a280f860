/**
 * The pages in a real browser: their policy lets their own style and icon through, in light and in dark.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { inflateSync } from 'node:zlib';
import { parseOptions } from '#base/options';
import { serverErrors } from '../errors.ts';
import { ICON } from './icon.ts';
import { pagesOptions } from './options.ts';
import { createPages } from './pages.ts';

const CHROMIUM = 'chromium';
const isThere = spawnSync(CHROMIUM, ['--version']).status === 0;
const skip = isThere ? false : `${CHROMIUM} is not installed: apt-get install chromium`;

/** The colour of the first pixel. In the first row it is as it is, whatever the row's filter. */
function firstPixel(png: Buffer): string {
  const data: Buffer[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    const length = png.readUInt32BE(at);
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') data.push(png.subarray(at + 8, at + 8 + length));
  }
  return inflateSync(Buffer.concat(data)).toString('hex', 1, 4);
}

describe('pages in a browser', { skip }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'ls-pages-'));
  const pages = createPages(parseOptions(pagesOptions, {}), {
    publicUrl: 'https://go.example.com',
    systems: [{ name: 'links', summary: 'Short links.' }],
  });
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    if (request.url === '/favicon.ico') {
      response.writeHead(200, { 'content-type': 'image/vnd.microsoft.icon' }).end(ICON);
      return;
    }
    const error = serverErrors.not_found();
    const page = request.url === '/' ? pages.home() : pages.problem(request, error, 'a'.repeat(32));
    // A browser whose `Accept` is not understood would be seen here.
    response.writeHead(page ? 200 : 500, page?.headers).end(page?.body);
  });
  let url: string;

  before(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    server.close();
    server.closeAllConnections();
    rmSync(directory, { recursive: true, force: true });
  });

  async function look(path: string, ...flags: string[]): Promise<{ background: string; said: string }> {
    const image = join(directory, 'page.png');
    const headless = ['--headless', '--no-sandbox', '--disable-gpu', '--enable-logging=stderr'];
    const to = [`--user-data-dir=${join(directory, 'profile')}`, `--screenshot=${image}`, `${url}${path}`];
    const browser = spawn(CHROMIUM, [...headless, ...flags, ...to], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    browser.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    await once(browser, 'close');
    return { background: firstPixel(readFileSync(image)), said };
  }

  test('their own style and icon are let through, and nothing is refused', async () => {
    const light = await look('/');
    assert.equal(light.background, 'ffffff');
    const dark = await look('/no/such/page', '--blink-settings=preferredColorScheme=0');
    assert.equal(dark.background, '14171c');
    for (const { said } of [light, dark]) assert.doesNotMatch(said, /Content Security Policy|CONSOLE/);
    assert.deepEqual([...new Set(asked)].sort(), ['/', '/favicon.ico', '/no/such/page']);
  });
});
