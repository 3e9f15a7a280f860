/**
 * What a drill came to, for a terminal: what was done, what happened, each check with its mark, one line that says it all,
 * and the command that does the same again.
 */
import { formatWhole } from '#base/values/numbers';
import { describeMachine } from '../disturbances.ts';
import { type Check, type DrillResult, type Mark, type Verdict, verdictOf } from './result.ts';
import { describeUnsent, formatSeconds, oneLine, plain, summarize, totals } from './text.ts';

const PASSED = '✓';
const FAILED = '✗';
const UNKNOWN = '?';
const SIGNS: Record<Verdict, string> = { passed: PASSED, failed: FAILED, busy: UNKNOWN, invalid: UNKNOWN };
const KIND_WIDTH = 9;
const TIME_WIDTH = 8;

function renderMark({ atMs, kind, text }: Mark): string {
  return `  ${formatSeconds(atMs).padStart(TIME_WIDTH)}  ${kind.padEnd(KIND_WIDTH)}  ${oneLine(text)}`;
}

/** Of a check that has passed, its figures; of one that has failed, all that is known. */
function renderCheck({ claim, passed: isPassed, detail, isTimed }: Check, isExcused: boolean): string[] {
  const lines = plain(detail).split('\n').filter(Boolean);
  const shown = isPassed ? lines.slice(0, 1) : lines;
  const failed = isExcused && isTimed ? UNKNOWN : FAILED;
  return [`  ${isPassed ? PASSED : failed} ${oneLine(claim)}`, ...shown.map((line) => `      ${line}`)];
}

/** Ends without a newline. No colour: the marks say it. */
export function formatResult(result: DrillResult): string {
  const { drill, summary, seed, startedAt, durationMs, topology, ratePerS, heldPerS } = result;
  const { marks, checks, machine, disturbances, again } = result;
  const { ok, refused, unknown } = totals(result);
  const verdict = verdictOf(result);
  const held = heldPerS === undefined ? '' : ` (of ${formatWhole(heldPerS)} that were answered in time)`;
  return [
    `${SIGNS[verdict]} ${oneLine(drill)}: ${oneLine(summary)}`,
    `  started ${oneLine(startedAt)}, seed ${seed}, ${formatWhole(ratePerS)} requests/s${held} for ${formatSeconds(durationMs)}`,
    ...topology.map((line) => `  ${oneLine(line)}`),
    `  answered well ${formatWhole(ok)}, refused ${formatWhole(refused)}, outcome unknown ${formatWhole(unknown)}, ${describeUnsent(result)}`,
    `  ${describeMachine(machine)}`,
    ...(verdict === 'busy'
      ? ['  machine too busy: what failed, if anything, is only that something came late']
      : []),
    ...disturbances.map(({ text }) => `  machine: ${text}`),
    '',
    ...marks.map(renderMark),
    ...(marks.length > 0 ? [''] : []),
    ...checks.flatMap((check) => renderCheck(check, verdict === 'busy')),
    '',
    `  ${summarize(result)}`,
    `  again: ${oneLine(again)}`,
  ].join('\n');
}
