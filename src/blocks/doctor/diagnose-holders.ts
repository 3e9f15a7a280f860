/**
 * Whether vacuum is held back too long, by whom, and what to do about it. Pure.
 */
import { formatWhole } from '#base/values/numbers';
import { type Finding, fine, type Severity } from './finding.ts';
import { describeAge, describeHolder, type XminHolder } from './holders.ts';
import type { XminWatchOptions } from './options.ts';

export type HoldLimits = Pick<XminWatchOptions, 'warnAgeMs' | 'warnAgeTransactions'>;

/** So many times the limit of a warning is a problem: ten minutes, ten million transactions. */
const PROBLEM_FACTOR = 10;

/** Transactions in other databases of the server keep rows of a few shared catalogs only, which is no trouble of ours. */
export function concernsUs({ holds }: XminHolder): boolean {
  return holds !== 'shared_catalogs';
}

function exceeds({ ageMs = 0, ageTransactions }: XminHolder, limits: HoldLimits, factor = 1): boolean {
  return ageMs >= limits.warnAgeMs * factor || ageTransactions >= limits.warnAgeTransactions * factor;
}

/** Those that have held back vacuum for longer than the limits allow, the oldest first. */
export function overLimit(holders: readonly XminHolder[], limits: HoldLimits): XminHolder[] {
  return holders.filter((holder) => concernsUs(holder) && exceeds(holder, limits));
}

/** Findings `oldest_snapshot` (rows) and, when a logical slot holds them, `oldest_snapshot:catalogs`. */
export function diagnoseHolders(holders: readonly XminHolder[], limits: HoldLimits): Finding[] {
  const rows = holders.filter(({ holds }) => holds === 'rows');
  const catalogs = holders.filter(({ holds }) => holds === 'catalogs');
  const findings = [diagnose('oldest_snapshot', rows, limits)];
  return catalogs.length === 0
    ? findings
    : [...findings, diagnose('oldest_snapshot:catalogs', catalogs, limits)];
}

function diagnose(id: string, holders: readonly XminHolder[], limits: HoldLimits): Finding {
  const [oldest] = holders;
  if (!oldest) return fine(id, 'nothing holds back vacuum');
  const over = overLimit(holders, limits);
  const [owner] = over;
  if (!owner) return fine(id, `vacuum is held back ${describeAge(oldest)}, which is within the limits`);
  const severity: Severity = over.some((each) => exceeds(each, limits, PROBLEM_FACTOR))
    ? 'problem'
    : 'warning';
  const others = over.length === 1 ? '' : `; ${formatWhole(over.length - 1)} more behind it`;
  const query = owner.kind === 'session' && owner.query !== '' ? `; its query: ${owner.query}` : '';
  const what = `${describeHolder(owner)} holds back vacuum ${describeAge(owner)}${others}${query}`;
  return { id, severity, what, why: whyOf(owner), remedy: remedyOf(owner) };
}

function whyOf({ holds }: XminHolder): string {
  const what =
    holds === 'rows'
      ? 'rows that were updated or deleted since'
      : 'rows of the system catalogs that were changed since';
  return `${what} cannot be removed: tables grow, and reads of queues and outbox have to step over what is dead`;
}

/** What to do about a holder, with the statement that does it where there is one. */
export function remedyOf(holder: XminHolder): string {
  switch (holder.kind) {
    case 'session':
      return `end its transaction, or the session: select pg_terminate_backend(${holder.pid}); for programs that forget theirs, set idle_in_transaction_session_timeout`;
    case 'standby':
      return 'end the long query on the standby, or turn off hot_standby_feedback there';
    case 'prepared_transaction':
      return `finish what its coordinator has left: ${holder.rollback} (or commit prepared), in database ${holder.database}`;
    case 'replication_slot':
      return holder.isActive
        ? `see why its consumer does not get on, or drop it: ${holder.drop}`
        : `bring back its consumer, or drop it: ${holder.drop}`;
  }
}
