/**
 * Makes links by the API and follows them, over a few kept connections.
 */
import { Agent, type IncomingHttpHeaders, request } from 'node:http';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface Call {
  method?: 'GET' | 'POST';
  key?: string;
  body?: object;
  headers?: Record<string, string>;
}

/** A code and where it must lead. */
export type Target = readonly [code: string, url: string];

const CONCURRENCY = 32;
const CALL_MS_MAX = 30_000;

export interface Client {
  call(url: string, call?: Call): Promise<Answer>;
  close(): void;
}

export function createClient(): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: CONCURRENCY });
  return {
    call: (url, { method = 'GET', key, body, headers: given } = {}) =>
      new Promise((resolve, reject) => {
        const text = body === undefined ? '' : JSON.stringify(body);
        const headers = {
          ...given,
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
          ...(body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
        };
        const outgoing = request(url, { agent, method, headers, timeout: CALL_MS_MAX }, (response) => {
          let received = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => {
            received += chunk;
          });
          response.on('error', reject);
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: received }),
          );
        });
        outgoing.on('timeout', () =>
          outgoing.destroy(new Error(`${url}: no answer in ${CALL_MS_MAX / 1000} s`)),
        );
        outgoing.on('error', reject);
        outgoing.end(text);
      }),
    close: () => agent.destroy(),
  };
}

/** Runs `work` for 0 … count − 1, some at a time; the first failure ends it. */
export async function forEach(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  async function lane(): Promise<void> {
    while (next < count) {
      const index = next++;
      try {
        await work(index);
      } catch (error) {
        next = count;
        throw error;
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, count) }, lane));
}

/** As long as what people shorten: about a hundred characters, already normalised. */
function destination(index: number): string {
  return `https://shop.example.com/en/collections/summer/products/${index}?utm_source=newsletter&utm_medium=email&utm_id=${index * 7919}`;
}

/** @throws Error when a link is refused, or comes back with another URL */
export async function createLinks(
  client: Client,
  url: string,
  key: string,
  count: number,
): Promise<Target[]> {
  const targets: Target[] = [];
  await forEach(count, async (index) => {
    const wanted = destination(index);
    const answer = await client.call(`${url}/v1/links`, { method: 'POST', key, body: { url: wanted } });
    if (answer.status !== 201) throw new Error(`creating a link: ${answer.status} ${answer.body}`);
    const link = JSON.parse(answer.body) as { code: string; url: string };
    if (link.url !== wanted) throw new Error(`asked for ${wanted}, got ${link.url}`);
    targets.push([link.code, link.url]);
  });
  return targets;
}

/** @throws Error unless each code answers 302 with its own URL */
export async function followLinks(client: Client, url: string, targets: readonly Target[]): Promise<void> {
  await forEach(targets.length, async (index) => {
    const [code, wanted] = targets[index] as Target;
    const { status, headers } = await client.call(`${url}/${code}`);
    if (status !== 302 || headers.location !== wanted) {
      throw new Error(`${url}/${code}: ${status} to ${headers.location}, not 302 to ${wanted}`);
    }
  });
}
