/**
 * Reads a JSON body within its bound. What is too long is read on and thrown away up to `DRAINED_BYTES_MAX`, so that
 * the client finishes sending and reads the refusal instead of a reset connection.
 */
import type { IncomingMessage } from 'node:http';
import { serverErrors } from './errors.ts';

export const DRAINED_BYTES_MAX = 16 * 1024 * 1024;

function tooLarge(bytesMax: number, closes: boolean) {
  return serverErrors.body_too_large({
    detail: `the body may have ${bytesMax} bytes`,
    ...(closes ? { headers: { connection: 'close' } } : {}),
  });
}

/** The bytes of the body. @throws body_too_large */
function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  // A request that announces no body has none, and its stream has ended before anyone could listen.
  if (request.readableEnded) return Promise.resolve(Buffer.alloc(0));
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > DRAINED_BYTES_MAX) return Promise.reject(tooLarge(bytesMax, true));
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= bytesMax) chunks.push(chunk);
      else chunks = [];
      if (length > DRAINED_BYTES_MAX) {
        request.pause();
        reject(tooLarge(bytesMax, true));
      }
    });
    request.on('end', () =>
      length > bytesMax ? reject(tooLarge(bytesMax, false)) : resolve(Buffer.concat(chunks)),
    );
    request.on('error', reject);
    request.on('close', () => {
      // After a whole body this comes too, and an error made for nothing costs more than reading the body.
      if (!request.readableEnded) reject(serverErrors.request_malformed({ detail: 'the body ended early' }));
    });
  });
}

/** @throws body_too_large, json_malformed */
export async function readJson(request: IncomingMessage, bytesMax: number): Promise<unknown> {
  const bytes = await readBody(request, bytesMax);
  if (bytes.length === 0) throw serverErrors.json_malformed({ detail: 'the body is empty' });
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw serverErrors.json_malformed({ detail: 'the body is not UTF-8', cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw serverErrors.json_malformed({ detail: (cause as Error).message, cause });
  }
}
