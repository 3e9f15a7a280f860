/**
 * Pages in place of problem documents, where fastify answers.
 */
import type { FastifyReply } from 'fastify';
import type { LoadstoneError } from '#base/errors';
import { isVersioned } from '../http/own-words.ts';
import { problemHeaders } from '../http/problem.ts';
import type { Pages } from './pages.ts';

/**
 * Answers a person whose address leads nowhere; undefined for a program, for the API, and for any other problem.
 * @param traceId of the request
 */
export function sendPage(
  reply: FastifyReply,
  error: LoadstoneError,
  traceId: string,
  pages: Pages,
): FastifyReply | undefined {
  const { request } = reply;
  if (error.status !== 404 || isVersioned(request.url)) return undefined;
  reply.header('vary', 'Accept');
  const page = pages.problem(request, error, traceId);
  if (page === undefined) return undefined;
  return reply
    .code(error.status)
    .headers({ ...problemHeaders(error), ...page.headers })
    .send(page.body);
}
