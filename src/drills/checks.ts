/**
 * What every drill promises of its load, checked on what is known in the end; effects.ts has what it promises of the
 * systems. Pure, and each for itself.
 */
import { formatWhole } from '#base/values/numbers';
import type { Attempt } from './load/attempt.ts';
import type { Check } from './report/result.ts';
import { divide } from './report/timeline.ts';
import type { Bounds, Evidence } from './scenario.ts';

const SHOWN_MAX = 5;

export const count = formatWhole;

/** A check that fails with its first counter-examples. */
export function checkOf(claim: string, figures: string, counterexamples: readonly string[]): Check {
  const shown = counterexamples.slice(0, SHOWN_MAX);
  const more = counterexamples.length - shown.length;
  const rest = more > 0 ? [`and ${count(more)} more`] : [];
  return { claim, passed: counterexamples.length === 0, detail: [figures, ...shown, ...rest].join('\n') };
}

/** The check, as one that only says that something came late, or not at all. */
export function timed(check: Check, isSo = true): Check {
  return isSo ? { ...check, isTimed: true } : check;
}

/** Pure: the figures that cannot be: fewer than none, no numbers, parts that are more than their whole. */
export function impossibleIn(
  figures: Readonly<Record<string, number>>,
  parts: readonly (readonly [part: string, whole: string])[] = [],
): string[] {
  const wrong = Object.entries(figures).filter(([, value]) => !Number.isSafeInteger(value) || value < 0);
  const larger = parts.filter(([part, whole]) => (figures[part] ?? 0) > (figures[whole] ?? 0));
  return [
    ...wrong.map(([name, value]) => `${name}: ${value}`),
    ...larger.map(([part, whole]) => `${part}: ${figures[part]}, of ${figures[whole]} ${whole}`),
  ];
}

/** A check that is as it is where its figures can be, and otherwise an error of the drill itself. */
export function possible(check: Check, impossible: readonly string[]): Check {
  if (impossible.length === 0) return check;
  const problems = impossible.map((each) => `the drill has counted what cannot be: ${each}`);
  return { ...checkOf(check.claim, check.detail, problems), isImpossible: true };
}

/** Answers that come of waiting, or of too much to do: 429, 503, 504, or none. Any other failure is no matter of time. */
const isLate = ({ status }: Attempt) =>
  status === undefined || status === 429 || status === 503 || status === 504;

/** Requests that the generator came too late to send count on neither side: they have asked nothing of the server. */
export function withinBudget({ failedShareMax }: Bounds, evidence: Evidence): Check {
  const { loaded, windows, zeroMs } = evidence;
  const asked = loaded.filter(({ fate }) => fate !== 'generator_late');
  const { inside, outside } = divide(asked, windows, zeroMs);
  const failedOf = (some: readonly Attempt[]) => some.filter(({ isFailure }) => isFailure);
  const [failedInside, failedOutside] = [failedOf(inside).length, failedOf(outside)];
  const problems = failedOutside.map((attempt) => `outside: ${describeAttempt(attempt, zeroMs)}`);
  const share = inside.length === 0 ? 0 : failedInside / inside.length;
  const percent = (value: number) => `${(value * 100).toFixed(1)} %`;
  if (share > failedShareMax)
    problems.push(`${percent(share)} failed inside, at most ${percent(failedShareMax)} may`);
  const counts = {
    requests: asked.length,
    inside: inside.length,
    outside: asked.length - inside.length,
    failedInside,
    failedOutside: failedOutside.length,
  };
  const figures = `${count(failedInside)} of ${count(counts.inside)} requests failed from fault to recovery (${percent(share)}), ${count(counts.failedOutside)} of ${count(counts.outside)} outside`;
  const check = checkOf(
    'no request fails before a fault, or once the drill has recovered from it',
    figures,
    problems,
  );
  const parts = [
    ['failedInside', 'inside'],
    ['failedOutside', 'outside'],
    ['inside', 'requests'],
    ['outside', 'requests'],
  ] as const;
  return possible(timed(check, failedOutside.every(isLate)), impossibleIn(counts, parts));
}

export function recovered({ recoverMsMax }: Bounds, { windows }: Evidence): Check {
  const inS = (ms: number | undefined) => (ms === undefined ? 'not' : `${(ms / 1000).toFixed(1)} s`);
  const problems = windows
    .filter(({ recoveredMs }) => recoveredMs === undefined || recoveredMs > recoverMsMax)
    .map(({ fromMs, recoveredMs }) => `after the fault at ${inS(fromMs)}: ${inS(recoveredMs)}`);
  const figures = `recovered after ${windows.map(({ recoveredMs }) => inS(recoveredMs)).join(', ')}`;
  const check = timed(
    checkOf(`well again within ${inS(recoverMsMax)} of the end of each fault`, figures, problems),
  );
  const impossible = windows
    .filter(
      ({ fromMs, healedMs, recoveredMs = 0, endMs }) =>
        !(healedMs >= fromMs && recoveredMs >= 0 && endMs >= fromMs),
    )
    .map(
      ({ fromMs, healedMs, recoveredMs }) =>
        `a fault from ${fromMs} to ${healedMs} ms, well after ${recoveredMs} ms`,
    );
  return possible(check, impossible);
}

export function nothingLeft({ leftovers }: Evidence): Check {
  return checkOf('no process is left over', `${leftovers.length} left`, leftovers);
}

const FATES: Record<Exclude<Attempt['fate'], 'answered'>, string> = {
  no_answer: 'no answer',
  no_connection: 'no connection',
  not_sent: 'not sent (no connection was free)',
  generator_late: 'not sent (generator late)',
};

export function describeAttempt(
  { planned, intendedMs, outcome, fate, status, code }: Attempt,
  zeroMs: number,
): string {
  const at = `${planned.operation.route.id} at ${((intendedMs - zeroMs) / 1000).toFixed(2)} s`;
  if (fate !== 'answered') return `${at}: ${FATES[fate]}${fate === 'no_answer' ? ` (${outcome})` : ''}`;
  return `${at}: ${status}${code === undefined ? '' : ` ${code}`} (${outcome})`;
}
