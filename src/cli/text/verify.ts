/**
 * What a comparison has found, in words.
 */
import type { Difference, RowText, Verification } from '#blocks/projection';
import type { ReferenceReport } from '#blocks/references';
import { formatCount, oneLine } from './text.ts';

const VALUE_LENGTH_MAX = 80;

const shown = (value: string | null | undefined) => oneLine(value ?? 'null', VALUE_LENGTH_MAX);

function renderRow(row: RowText): string {
  return Object.entries(row)
    .map(([column, value]) => `${column} ${shown(value)}`)
    .join(', ');
}

function renderDifference({ key, kind, expected, actual }: Difference): string {
  const row = `  the row ${renderRow(key)}`;
  if (kind === 'missing') return `${row} is missing; it should have ${renderRow(expected ?? {})}`;
  if (kind === 'unexpected') return `${row} should not be there; it has ${renderRow(actual ?? {})}`;
  const columns = Object.keys(expected ?? {}).filter((column) => expected?.[column] !== actual?.[column]);
  const values = columns.map(
    (column) => `${column} ${shown(actual?.[column])} instead of ${shown(expected?.[column])}`,
  );
  return `${row} has ${values.join(', ')}`;
}

function more(total: number, shown: number): string[] {
  return total > shown ? [`  and ${formatCount(total - shown, 'other')}`] : [];
}

/** @param stream that the projection is made from, for the command that looks at what is parked */
export function renderVerification(found: Verification, stream: string): string {
  const { name, rowsCompared, differencesTotal, differences, refused, refusedTotal } = found;
  const rows = `${formatCount(rowsCompared, 'row')} compared${found.isSample ? ' (a sample)' : ''}`;
  const settled =
    found.rowsSettled === 0 ? '' : `, ${formatCount(found.rowsSettled, 'settled row')} left out`;
  const verdict = differencesTotal === 0 ? 'equal' : formatCount(differencesTotal, 'difference');
  const parked =
    found.parkedKeys === 0
      ? []
      : [
          `  ${formatCount(found.parkedKeys, 'key')} with parked events: loadstone groups parked ${stream} ${name}`,
        ];
  return [
    `projection ${name}: ${verdict}; ${rows}${settled}`,
    ...differences.map(renderDifference),
    ...more(differencesTotal, differences.length),
    ...refused.map(
      ({ workspaceId, key, eventId, error }) =>
        `  event ${eventId} (workspace ${workspaceId}, key ${oneLine(key)}) cannot be applied: ${oneLine(error)}`,
    ),
    ...more(refusedTotal, refused.length),
    ...parked,
  ].join('\n');
}

/** Rows may dangle only where the reference says so. */
export function isFaulty({ dangling, onDelete }: ReferenceReport): boolean {
  return dangling > 0 && onDelete !== 'keep';
}

export function renderReference(report: ReferenceReport): string {
  const { reference, rows, dangling, underWay, first } = report;
  const verdict = dangling === 0 ? 'equal' : formatCount(dangling, 'dangling row');
  const allowed = dangling > 0 && !isFaulty(report) ? ', as it allows' : '';
  const removed = underWay === 0 ? '' : `, ${underWay} being removed`;
  return [
    `reference ${reference}: ${verdict}${allowed}; ${formatCount(rows, 'row')} checked${removed}`,
    ...first.map(
      ({ id, workspaceId, to }) =>
        `  the row ${oneLine(id)} of workspace ${workspaceId} refers to ${oneLine(to)}, which is gone`,
    ),
    ...more(dangling, first.length),
  ].join('\n');
}
