/**
 * One request at a time, outside the load: before it, to make items, and after it, to see what is there.
 */
import type { Clock } from '#base/clock';
import { createDeadline } from '#base/deadline';
import { describeError } from '#base/errors';
import type { LoadAnswer, LoadRequest } from '#blocks/load';

const ANSWER_BOUND_MS = 10_000;

export interface Client {
  send(request: LoadRequest): Promise<LoadAnswer>;
  /** The body of a good answer. @throws for any other */
  get<T>(path: string): Promise<T>;
}

export function createClient(
  origin: string,
  rootKey: string,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Client {
  async function send(request: LoadRequest): Promise<LoadAnswer> {
    const sentMs = clock.monotonicMs();
    const deadline = createDeadline(clock, ANSWER_BOUND_MS, signal);
    const { method, path, headers, body } = request;
    const known = { request, intendedMs: sentMs, sentMs, lateMs: 0, isReused: true };
    try {
      const reply = await fetch(`${origin}${path}`, {
        method,
        headers,
        redirect: 'manual',
        signal: deadline.signal,
        ...(body === undefined ? {} : { body: String(body) }),
      });
      const text = await reply.text();
      return {
        ...known,
        endedMs: clock.monotonicMs(),
        outcome: 'answered',
        status: reply.status,
        headers: Object.fromEntries(reply.headers),
        body: text,
      };
    } catch (error) {
      signal.throwIfAborted();
      return { ...known, endedMs: clock.monotonicMs(), outcome: 'broken', problem: describeError(error) };
    } finally {
      deadline.done();
    }
  }

  return {
    send,
    async get<T>(path: string) {
      const headers = { authorization: `Bearer ${rootKey}` };
      const { status, body = '', problem = body } = await send({ method: 'GET', path, headers });
      if (status === 200) return JSON.parse(body) as T;
      throw new Error(`GET ${path}: ${status ?? 'no answer'} ${problem}`);
    },
  };
}
