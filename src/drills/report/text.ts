/**
 * How the reports of drills write numbers, times and what others have said.
 */
import { formatWhole } from '#base/values/numbers';
import { type DrillResult, type Verdict, verdictOf } from './result.ts';

const SECOND_MS = 1000;

/** `1.8 s`. */
export function formatSeconds(ms: number): string {
  return `${(ms / SECOND_MS).toFixed(1)} s`;
}

/** `0.4 ms`, `87 ms`, `1.2 s`: two or three figures. */
export function formatLatency(ms: number): string {
  if (ms >= SECOND_MS) return formatSeconds(ms);
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

/**
 * Without what a terminal or a browser would obey or hide, lines and tabs apart: texts hold what servers have said, and
 * keys that others have chosen.
 */
export function plain(text: string): string {
  return text.toWellFormed().replaceAll(/[^\n\t\P{C}]/gu, '\uFFFD');
}

/** On one line, and so many characters at most. */
export function oneLine(text: string, lengthMax = Number.POSITIVE_INFINITY): string {
  const letters = [...plain(text.replaceAll(/\s+/g, ' ')).trim()];
  return letters.length > lengthMax ? `${letters.slice(0, lengthMax - 1).join('')}…` : letters.join('');
}

/** What became of the requests of the load. */
export function totals({ slices }: DrillResult): Record<'ok' | 'refused' | 'unknown' | 'notSent', number> {
  const sum = (field: 'ok' | 'refused' | 'unknown' | 'notSent') =>
    slices.reduce((whole, slice) => whole + slice[field], 0);
  return { ok: sum('ok'), refused: sum('refused'), unknown: sum('unknown'), notSent: sum('notSent') };
}

/** `12 not sent, 5 of them since the generator was late`. */
export function describeUnsent(result: DrillResult): string {
  const { notSent } = totals(result);
  const late = result.generatorLate;
  if (notSent > 0 && late === notSent) return `${formatWhole(notSent)} not sent (generator late)`;
  const which = late > 0 ? `, ${formatWhole(late)} of them since the generator was late` : '';
  return `${formatWhole(notSent)} not sent (no connection was free${which})`;
}

function describeRecovery(result: DrillResult): string {
  if (result.recoveredMs !== undefined) return `recovered in ${formatSeconds(result.recoveredMs)}`;
  const { refused, unknown, notSent } = totals(result);
  return refused + unknown + notSent > result.generatorLate ? 'not recovered' : 'no request failed';
}

/** Beside what the checks say for themselves. */
const VERDICTS: Record<Verdict, string | undefined> = {
  passed: undefined,
  failed: undefined,
  busy: 'machine too busy to tell',
  invalid: 'the drill itself is wrong',
};

/** `acknowledged 41,233 · found 41,233 · recovered in 1.8 s · at 250/s`. */
export function summarize(result: DrillResult): string {
  const { acknowledged, found, checks, ratePerS } = result;
  const failed = checks.filter((check) => !check.passed).length;
  const verdict = VERDICTS[verdictOf(result)];
  return [
    `acknowledged ${formatWhole(acknowledged)}`,
    `found ${formatWhole(found)}`,
    describeRecovery(result),
    `at ${formatWhole(ratePerS)}/s`,
    ...(verdict === undefined ? [] : [verdict]),
    ...(checks.length === 0 ? ['nothing was checked'] : []),
    ...(failed > 0 ? [`${failed} of ${checks.length} checks failed`] : []),
  ].join(' · ');
}
