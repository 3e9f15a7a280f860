/**
 * Node's spec reporter, except that the counts come last and plain (`# tests 12`), so that a program can read them.
 */
import { relative } from 'node:path';
import { spec } from 'node:test/reporters';

interface RunnerEvent {
  type: string;
  data: { nesting?: number; message?: string; name?: string; file?: string; skip?: string | boolean };
}

const COUNT = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/;

function isCount({ type, data }: RunnerEvent): boolean {
  return type === 'test:diagnostic' && data.nesting === 0 && COUNT.test(data.message ?? '');
}

/** So that what a run has left out is not overlooked: how many tests, for each reason that they gave. */
function createSkipTally() {
  const tally = new Map<string, number>();
  return {
    see({ type, data: { skip } }: RunnerEvent) {
      if (type !== 'test:pass' || typeof skip !== 'string') return;
      tally.set(skip, (tally.get(skip) ?? 0) + 1);
    },
    text: () => [...tally].map(([reason, count]) => `SKIPPED ${count}: ${reason}\n`).join(''),
  };
}

/** Since the command was given, checks included; empty when the runner was started by hand. */
function elapsed(): string {
  const startedMs = Number(process.env.LOADSTONE_TEST_STARTED_MS);
  return startedMs > 0 ? `# elapsed ${((Date.now() - startedMs) / 1000).toFixed(1)} s\n` : '';
}

/**
 * Ends a run in which no test has begun or ended for so long, and says which files were under way: a test that hangs has
 * its own limit, so that this is a file that does not end.
 */
function watchSilence(write: (text: string) => void) {
  const silenceMs = Number(process.env.LOADSTONE_TEST_SILENCE_MS);
  const underWay = new Set<string>();
  const timer = setTimeout(
    () => {
      write(
        `\nnothing has happened for ${silenceMs / 60_000} minutes; under way: ${[...underWay].join(', ')}\n`,
      );
      process.kill(process.pid, 'SIGTERM');
    },
    silenceMs || 2 ** 31 - 1,
  ).unref();
  return ({ type, data: { nesting, name, file } }: RunnerEvent) => {
    timer.refresh();
    if (nesting !== 0 || name === undefined) return;
    // Not `test:start`, which is told in the order of the files, and so at their ends. A file has its own path for a name.
    const path = relative(process.cwd(), file ?? name);
    const each = file?.endsWith(name) ? path : `${path}: ${name}`;
    if (type === 'test:dequeue') underWay.add(each);
    if (type === 'test:complete') underWay.delete(each);
  };
}

export default async function* report(events: AsyncIterable<RunnerEvent>): AsyncGenerator<string> {
  const reporter = new spec();
  const counts: string[] = [];
  function* written(): Generator<string> {
    for (let chunk = reporter.read(); chunk !== null; chunk = reporter.read()) yield String(chunk);
  }
  const watch = watchSilence((text) => process.stderr.write(text));
  const skips = createSkipTally();
  for await (const event of events) {
    watch(event);
    skips.see(event);
    if (isCount(event)) counts.push(`# ${event.data.message}\n`);
    else reporter.write(event);
    yield* written();
  }
  reporter.end();
  yield* written();
  yield `${skips.text()}${elapsed()}${counts.join('')}`;
}
