/**
 * Answers that do not change while the server runs: made once, kept as one buffer that all connections share, and not sent
 * again to whoever has them.
 */
import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { parseEntityTags } from '#blocks/system';

/** Whether a list of entity tags, on one line or several, has this one; compared weakly (RFC 9110, 13.1.2). */
function hasTag(ifNoneMatch: string | undefined, opaque: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const tags = parseEntityTags('If-None-Match', ifNoneMatch);
  return tags === 'any' || tags.some((each) => each.opaque === opaque);
}

/** @param make called for the first request, when all routes are known */
export function fixedAnswer(
  headers: Readonly<Record<string, string>>,
  make: () => string,
): (request: FastifyRequest, reply: FastifyReply) => FastifyReply {
  let made: { bytes: Buffer; tag: string } | undefined;
  return (request, reply) => {
    if (made === undefined) {
      const bytes = Buffer.from(make());
      const hash = createHash('sha256').update(bytes).digest('base64url');
      made = { bytes, tag: hash.slice(0, 22) };
    }
    const { bytes, tag } = made;
    reply.headers({ etag: `"${tag}"`, 'cache-control': 'no-cache' });
    if (hasTag(request.headers['if-none-match'], tag)) return reply.code(304).send();
    return reply.headers(headers).send(bytes);
  };
}
