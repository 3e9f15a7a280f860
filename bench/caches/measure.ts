/**
 * A process that measures one cache: `measure.ts '{"subject": …}'`. Prints what it has measured as JSON.
 */
import { seededRandom } from '#base/random';
import type { Asked, Measured, Subject } from './subject.ts';
import { createSubject } from './subjects.ts';

const REQUESTS = 2 ** 18;
const WARM_UP_SHARE = 0.3;
/** Between looks at the clock. */
const BURST = 4096;

function memoryBytes(): number {
  for (let n = 0; n < 3; n++) globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** @returns calls for each second of CPU time, after a warm-up */
async function measureCalls(
  seconds: number,
  keys: readonly string[],
  call: (key: string) => unknown,
): Promise<number> {
  async function run(forMs: number): Promise<number> {
    const before = process.cpuUsage();
    const untilMs = performance.now() + forMs;
    let calls = 0;
    let wrong = 0;
    while (performance.now() < untilMs) {
      for (let n = 0; n < BURST; n++) {
        const answer = call(keys[(calls + n) % REQUESTS] as string);
        const value = answer instanceof Promise ? await answer : answer;
        if (typeof value !== 'number') wrong += 1;
      }
      calls += BURST;
    }
    if (wrong > 0) throw new Error(`${wrong} of ${calls} calls were no hits`);
    const { user, system } = process.cpuUsage(before);
    return (calls / (user + system)) * 1e6;
  }
  await run(1000 * seconds * WARM_UP_SHARE);
  return run(1000 * seconds);
}

async function fill(subject: Subject, names: readonly string[]): Promise<void> {
  for (const [at, name] of names.entries()) subject.set(name, at);
  await new Promise((resolve) => setImmediate(resolve));
}

async function measure({ subject: name, entries, seconds }: Asked): Promise<Measured> {
  const random = seededRandom(1);
  const names = Array.from({ length: entries }, (_, at) => `key:${at}`);
  const keys = Array.from(
    { length: REQUESTS },
    () => names[Math.floor(random.fraction() * entries)] as string,
  );
  const before = memoryBytes();
  const subject = createSubject(name, entries);
  await fill(subject, names);
  const bytesPerEntry = (memoryBytes() - before) / entries;
  const getsPerS = await measureCalls(seconds, keys, subject.get);
  const { readThrough } = subject;
  const reads = readThrough ? { readsPerS: await measureCalls(seconds, keys, readThrough) } : {};
  return { subject: name, getsPerS, bytesPerEntry, ...reads };
}

console.log(JSON.stringify(await measure(JSON.parse(process.argv[2] ?? '') as Asked)));
process.exit(0);
