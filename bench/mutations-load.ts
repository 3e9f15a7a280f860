/**
 * wrk that creates: each request has a URL and, if wanted, an Idempotency-Key of its own.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Workplace } from './bench.ts';
import { readStat } from './process-usage.ts';
import { type LoadResult, parseReport } from './wrk.ts';

/** What wrk may take beyond the time it was given, until it is killed. */
const EXTRA_MS = 15_000;
const TTL_S = 30 * 86_400;

export type Creation = { hasKey: boolean } & (
  | { kind: 'link'; path: string; hasTtl: boolean }
  /** Entries of so many counters, each request another one. */
  | { kind: 'entry'; counters: number }
);

export interface CreateLoad {
  creation: Creation;
  url: string;
  apiKey: string;
  /** Makes the keys of this run unlike those of any other. */
  prefix: string;
  seconds: number;
  connections: number;
  /** What wrk is run under. */
  pin: (command: readonly string[]) => string[];
}

/** Lua that gives the request's path and body; `made` counts requests. */
function writeRequest(creation: Creation): { path: string; before: string; after: string } {
  if (creation.kind === 'entry') {
    const path = `string.format("/v1/counter/c%09d", made % ${creation.counters})`;
    return { path, before: '{"text":"an entry of some thirty characters ', after: '"}' };
  }
  const ttl = creation.hasTtl ? `,"ttl":${TTL_S}` : '';
  return {
    path: `"${creation.path}"`,
    before: '{"url":"https://shop.example.com/en/collections/summer/products/',
    after: `?utm_source=newsletter&utm_medium=email&utm_id=1729"${ttl}}`,
  };
}

/** Requests differ in a number of nine digits, so that most of each can be made before. */
function makeScript({ creation, apiKey, prefix }: CreateLoad): string {
  const { path, before, after } = writeRequest(creation);
  const length = before.length + 9 + after.length;
  const key = creation.hasKey ? `Idempotency-Key: \\"${prefix}-%09d\\"\\r\\n` : '';
  return `local made = 0
local head

function init(args)
  head = " HTTP/1.1\\r\\nHost: " .. wrk.host .. ":" .. wrk.port ..
    "\\r\\nAuthorization: Bearer ${apiKey}\\r\\nContent-Type: application/json\\r\\nContent-Length: ${length}\\r\\n"
end

function request()
  made = made + 1
  return "POST " .. ${path} .. head .. string.format("${key}\\r\\n", made) ..
    '${before}' .. string.format("%09d", made) .. '${after}'
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\\n{"requests":%d,"durationUs":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d,"p50Us":%d,"p99Us":%d}\\n',
    summary.requests, summary.duration, e.connect, e.read, e.write, e.timeout, e.status,
    latency:percentile(50), latency:percentile(99)))
end
`;
}

/** @throws Error when a single request failed */
export async function createUnderLoad(
  { directory, children }: Workplace,
  load: CreateLoad,
): Promise<LoadResult> {
  const { url, seconds, connections, pin } = load;
  const script = join(directory, 'mutations.lua');
  writeFileSync(script, makeScript(load));
  const size = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '5s'];
  const before = readStat('self').endedChildrenCpuMs;
  const wrk = children.start(pin(['wrk', ...size, '-s', script, url]), {
    errorFile: join(directory, 'wrk.err'),
  });
  const report = parseReport(await wrk.ended(seconds * 1000 + EXTRA_MS));
  const cpuMs = readStat('self').endedChildrenCpuMs - before;
  return {
    requests: report.requests,
    requestsPerS: report.requests / (report.durationUs / 1e6),
    generatorShare: cpuMs / (report.durationUs / 1000),
    latencyP50Ms: report.p50Us / 1000,
    latencyP99Ms: report.p99Us / 1000,
  };
}
