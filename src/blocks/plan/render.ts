/**
 * A plan in words.
 */
import { downtime, downtimes, formatSeconds } from './availability.ts';
import type { Figure } from './capacity/figures.ts';
import type { Plan } from './plan.ts';
import { formatAmount, formatHumane, formatNumber } from './units.ts';

const GAP = '  ';

function align(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(GAP)}`.trimEnd(),
  );
}

/** Whole numbers from 100 on: 231/s, where the derivation has 231.48/s. */
function shorten({ value, unit }: Figure): string {
  return formatAmount(unit === '/s' && value >= 100 ? Math.round(value) : value, unit);
}

function renderFigures(figures: readonly Figure[], explain: boolean): string[] {
  if (explain) return align(figures.map(({ name, how }) => [name, how]));
  const shown = figures.map((figure) => {
    const exact = shorten(figure);
    const humane = formatHumane(figure.value, figure.unit);
    return [figure.name, exact, humane === exact || humane === `≈ ${exact}` ? '' : humane];
  });
  return align(shown);
}

function nines(): string[] {
  const rows = downtimes.map(({ percent, perYearS, perMonthS }) => [
    `${percent} %`,
    formatSeconds(perYearS),
    formatSeconds(perMonthS),
  ]);
  return ['', 'how long something may be away', ...align([['available', 'a year', 'a month'], ...rows])];
}

function renderTopology({ topology, steps, unmet, limits }: Plan): string[] {
  if (topology === undefined) {
    return ['', 'no topology of such servers holds:', ...unmet.map((text) => `  ${text}`)];
  }
  const title = steps.length === 0 ? 'the simplest that holds: one server' : 'the simplest that holds';
  const taken = steps.flatMap(({ text, reason }) => [`  + ${text}`, `      ${reason}`]);
  const fullest = limits
    .filter(({ grows, used }) => grows && used > 0)
    .sort((a, b) => b.used / b.max - a.used / a.max)
    .map(({ text }) => `  ${text}`);
  return [
    '',
    title,
    ...(steps.length === 0 ? [] : ['  one server']),
    ...taken,
    '',
    'how full it is at the peak',
    ...fullest,
  ];
}

function renderBreaking({ breaksFirst, atTenTimes }: Plan): string[] {
  if (breaksFirst === undefined) return [];
  const factor = formatNumber(Number(breaksFirst.factor.toPrecision(3)));
  return [
    '',
    `breaks first, at ${factor} times the users: ${breaksFirst.limit}`,
    'at ten times the users',
    ...(atTenTimes.passed.length === 0 ? ['  nothing breaks'] : atTenTimes.passed.map((text) => `  ${text}`)),
    `  then: ${atTenTimes.topology.join(', ')}`,
  ];
}

function wrap(text: string, width = 100): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line === undefined || line.length + word.length >= width) lines.push(word);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines;
}

function renderNotes(notes: readonly string[]): string[] {
  if (notes.length === 0) return [];
  const lines = notes.flatMap((note) => wrap(note).map((line, at) => `${at === 0 ? '  - ' : '    '}${line}`));
  return ['', 'to know', ...lines];
}

/**
 * The plan for a person.
 * @param explain shows the arithmetic of each number in place of its rounded value, and the table of nines
 */
export function renderPlan(plan: Plan, { explain }: { explain: boolean }): string {
  const { capacity, systems, figures } = plan;
  const reached = figures.find(({ name }) => name === 'availability')?.value ?? 0;
  const away = downtime(reached);
  return [
    ...(plan.name === undefined ? [] : [plan.name, '']),
    `capacity: ${capacity.source} on ${capacity.machine}, ${capacity.measuredAt.slice(0, 10)}`,
    ...wrap(capacity.label).map((line) => `  ${line}`),
    ...systems.flatMap(({ name, figures: own }) => ['', name, ...renderFigures(own, explain)]),
    '',
    'all together',
    ...renderFigures(figures, explain),
    `  away ${formatSeconds(away.perYearS)} a year, ${formatSeconds(away.perMonthS)} a month`,
    ...(explain ? nines() : []),
    ...renderTopology(plan),
    ...renderBreaking(plan),
    ...renderNotes(plan.notes),
  ].join('\n');
}
