/**
 * What a drill came to, for a terminal: what was done, what happened, each check with its mark, one line that says it all,
 * and the command that does the same again.
 */
import { formatNumber, formatSeconds, oneLine, plain, summarize, totals } from './report-text.ts';
import { type Check, type DrillResult, type Mark, passed } from './result.ts';

const PASSED = '✓';
const FAILED = '✗';
const KIND_WIDTH = 9;
const TIME_WIDTH = 8;

function renderMark({ atMs, kind, text }: Mark): string {
  return `  ${formatSeconds(atMs).padStart(TIME_WIDTH)}  ${kind.padEnd(KIND_WIDTH)}  ${oneLine(text)}`;
}

/** Of a check that has passed, its figures; of one that has failed, all that is known. */
function renderCheck({ claim, passed: isPassed, detail }: Check): string[] {
  const lines = plain(detail).split('\n').filter(Boolean);
  const shown = isPassed ? lines.slice(0, 1) : lines;
  return [`  ${isPassed ? PASSED : FAILED} ${oneLine(claim)}`, ...shown.map((line) => `      ${line}`)];
}

/** Ends without a newline. No colour: the marks say it. */
export function formatResult(result: DrillResult): string {
  const { drill, summary, seed, startedAt, durationMs, topology, ratePerS, marks, checks, again } = result;
  const { ok, refused, unknown } = totals(result);
  return [
    `${passed(result) ? PASSED : FAILED} ${oneLine(drill)}: ${oneLine(summary)}`,
    `  started ${oneLine(startedAt)}, seed ${seed}, ${formatNumber(ratePerS)} requests/s for ${formatSeconds(durationMs)}`,
    ...topology.map((line) => `  ${oneLine(line)}`),
    `  answered well ${formatNumber(ok)}, refused ${formatNumber(refused)}, outcome unknown ${formatNumber(unknown)}`,
    '',
    ...marks.map(renderMark),
    ...(marks.length > 0 ? [''] : []),
    ...checks.flatMap(renderCheck),
    '',
    `  ${summarize(result)}`,
    `  again: ${oneLine(again)}`,
  ].join('\n');
}
