/**
 * The load generator: wrk (Debian package `wrk`), one thread, driven by a script that asks for codes.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Workplace } from './bench.ts';
import { pinned } from './machine.ts';
import { readStat } from './process-usage.ts';

/** What wrk may take beyond the time it was given, until it is killed. */
const EXTRA_MS = 15_000;

export interface LoadResult {
  requests: number;
  requestsPerS: number;
  /** Of the generator's own core; near 1 it is the generator that is measured. */
  generatorShare: number;
  latencyP50Ms: number;
  latencyP99Ms: number;
}

export interface LoadRequest {
  url: string;
  seconds: number;
  connections: number;
  /** `sequential` goes through all codes in turn, which warms a cache; `random` draws each one. */
  order: 'sequential' | 'random';
  seed: number;
}

export type Load = (request: LoadRequest) => Promise<LoadResult>;

/** Requests are built once: building them while under load would make the generator the bottleneck. */
function makeScript(codesFile: string): string {
  return `local requests, order, at = {}, "random", 0

function init(args)
  order = args[1]
  math.randomseed(tonumber(args[2]))
  for code in io.lines(${JSON.stringify(codesFile)}) do
    requests[#requests + 1] = wrk.format("GET", "/" .. code)
  end
end

function request()
  if order == "random" then return requests[math.random(#requests)] end
  at = at % #requests + 1
  return requests[at]
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

/** Installs wrk where that is possible without asking anybody. */
export function requireWrk(say: (line: string) => void): void {
  // It knows no option that ends well, so only "not found" tells.
  const isThere = () => spawnSync('wrk', ['--version']).error === undefined;
  if (isThere()) return;
  if (process.getuid?.() === 0 && spawnSync('apt-get', ['--version']).status === 0) {
    say('installing wrk');
    spawnSync('apt-get', ['install', '-y', 'wrk'], { stdio: 'ignore', timeout: 120_000 });
  }
  if (!isThere()) throw new Error('wrk is missing: apt-get install wrk, or the like');
}

export interface WrkReport {
  requests: number;
  durationUs: number;
  connect: number;
  read: number;
  write: number;
  timeout: number;
  /** Answers of 400 and above. */
  status: number;
  p50Us: number;
  p99Us: number;
}

/**
 * @param output what wrk printed, the script's report last
 * @throws Error when there is no report, or when anything went wrong under load
 */
export function parseReport(output: string): WrkReport {
  const line = output
    .trimEnd()
    .split('\n')
    .findLast((each) => each.startsWith('{'));
  if (line === undefined) throw new Error(`wrk gave no report:\n${output}`);
  const report = JSON.parse(line) as WrkReport;
  const { connect, read, write, timeout, status } = report;
  if (connect + read + write + timeout + status > 0) {
    throw new Error(`errors under load: ${JSON.stringify({ connect, read, write, timeout, status })}`);
  }
  return report;
}

/**
 * @param core for wrk alone
 * @param codes that it asks for
 */
export function createLoad({ directory, children }: Workplace, core: number, codes: readonly string[]): Load {
  const codesFile = join(directory, 'codes.txt');
  const scriptFile = join(directory, 'redirects.lua');
  writeFileSync(codesFile, `${codes.join('\n')}\n`);
  writeFileSync(scriptFile, makeScript(codesFile));

  return async ({ url, seconds, connections, order, seed }) => {
    const size = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '5s'];
    // wrk hands its script all arguments after the address, the address being number 0.
    const command = pinned(core, ['wrk', ...size, '-s', scriptFile, url, '--', order, String(seed)]);
    const before = readStat('self').endedChildrenCpuMs;
    const wrk = children.start(command, { errorFile: join(directory, 'wrk.err') });
    const report = parseReport(await wrk.ended(seconds * 1000 + EXTRA_MS));
    const cpuMs = readStat('self').endedChildrenCpuMs - before;
    return {
      requests: report.requests,
      requestsPerS: report.requests / (report.durationUs / 1e6),
      generatorShare: cpuMs / (report.durationUs / 1000),
      latencyP50Ms: report.p50Us / 1000,
      latencyP99Ms: report.p99Us / 1000,
    };
  };
}
