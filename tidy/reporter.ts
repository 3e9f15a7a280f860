/**
 * Node's spec reporter, except that the counts come last and plain (`# tests 12`), so that a program can read them.
 */
import { spec } from 'node:test/reporters';

interface RunnerEvent {
  type: string;
  data: { nesting?: number; message?: string };
}

const COUNT = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/;

function isCount({ type, data }: RunnerEvent): boolean {
  return type === 'test:diagnostic' && data.nesting === 0 && COUNT.test(data.message ?? '');
}

/** Since the command was given, checks included; empty when the runner was started by hand. */
function elapsed(): string {
  const startedMs = Number(process.env.LOADSTONE_TEST_STARTED_MS);
  return startedMs > 0 ? `# elapsed ${((Date.now() - startedMs) / 1000).toFixed(1)} s\n` : '';
}

export default async function* report(events: AsyncIterable<RunnerEvent>): AsyncGenerator<string> {
  const reporter = new spec();
  const counts: string[] = [];
  function* written(): Generator<string> {
    for (let chunk = reporter.read(); chunk !== null; chunk = reporter.read()) yield String(chunk);
  }
  for await (const event of events) {
    if (isCount(event)) counts.push(`# ${event.data.message}\n`);
    else reporter.write(event);
    yield* written();
  }
  reporter.end();
  yield* written();
  yield `${elapsed()}${counts.join('')}`;
}
