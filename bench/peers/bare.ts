/**
 * What the redirect is compared with: bare `node:http` and a `Map` of the same codes. Its one argument is a file of
 * `[code, url]` pairs in JSON.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const targets = new Map<string, string>(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')));

const server = createServer((request, response) => {
  const location = targets.get((request.url ?? '').slice(1));
  if (location === undefined) {
    response.writeHead(404, { 'content-length': 0 });
  } else {
    // With a length, as the server answers; without one node answers in chunks, which costs the same.
    response.writeHead(302, { location, 'content-length': 0 });
  }
  response.end();
});

process.once('disconnect', () => process.exit());
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`address http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
