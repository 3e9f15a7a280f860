/**
 * What the redirect is compared with: fastify, a parametric route and a `Map` of the same codes. Its one argument is a
 * file of `[code, url]` pairs in JSON.
 */
import { readFileSync } from 'node:fs';
import Fastify from 'fastify';

const targets = new Map<string, string>(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')));

const app = Fastify({ logger: false });
app.get<{ Params: { code: string } }>('/:code', (request, reply) => {
  const location = targets.get(request.params.code);
  if (location === undefined) reply.code(404).send();
  else reply.code(302).header('location', location).send();
});

process.once('disconnect', () => process.exit());
const address = await app.listen({ port: 0, host: '127.0.0.1' });
process.stdout.write(`address ${address}\n`);
