/**
 * From observations to findings. Pure: the thresholds are here, each with its reason.
 */
import { formatWhole } from '#base/values/numbers';
import { formatBytes, formatDuration, formatShare, printable } from './amounts.ts';
import { diagnoseHolders, type HoldLimits } from './diagnose-holders.ts';
import { type Finding, fine, SEVERITIES, type Severity } from './finding.ts';
import type {
  Connections,
  DatabaseAge,
  DiskUse,
  InvalidIndex,
  Observations,
  Part,
  TableRows,
} from './observations.ts';
import { diagnoseSettings } from './settings.ts';

export const doctorLimits = {
  /** Below this a table is read whole faster than it is worth a thought. */
  deadRowsWarning: 10_000,
  /** Dead rows for each live one; autovacuum begins at 0.2, and at 0.05 in the embedded Postgres. */
  deadShareWarning: 1,
  /** A table that was vacuumed since is being seen to: a busy queue makes so many dead rows between two vacuums. */
  vacuumAgeMsWarning: 600_000,
  /** So much is left dead that vacuum cannot be keeping up, however recent the last one. */
  deadRowsProblem: 1_000_000,
  deadShareProblem: 10,
  /** Autovacuum freezes at 200 million (`autovacuum_freeze_max_age`); at 2.5 times that it does not get through. */
  idsWarning: 500_000_000,
  /** Postgres gives up every other care at 1.6 thousand million, and takes no more writes at 2.1: act at half of that. */
  idsProblem: 1_000_000_000,
  /** Of the connections that ordinary logins may have. One more process of ours takes 2 × `database.poolMax` + 2. */
  connectionsWarning: 0.8,
  connectionsProblem: 0.95,
} as const;

export type DoctorLimits = { readonly [Name in keyof typeof doctorLimits]: number };

/** Where ids end: 2^31, less the three million that Postgres keeps for itself. */
const IDS_MAX = 2 ** 31 - 3_000_000;

/** The worst first, otherwise in the order of the checks. Every check has at least one finding. */
export function diagnose(
  observations: Observations,
  holdLimits: HoldLimits,
  limits: DoctorLimits = doctorLimits,
): Finding[] {
  const findings = [
    from('oldest_snapshot', observations.holders, (holders) => diagnoseHolders(holders, holdLimits)),
    from('session_details', observations.canSeeSessions, diagnoseSight),
    from('dead_rows', observations.tables, (tables) => diagnoseTables(tables, limits)),
    from('id_wraparound', observations.ages, (ages) => diagnoseAges(ages, limits)),
    from('settings', observations.settings, diagnoseSettings),
    from('connections', observations.connections, (connections) => diagnoseConnections(connections, limits)),
    from('invalid_indexes', observations.invalidIndexes, diagnoseIndexes),
    from('disk_use', observations.disk, diagnoseDisk),
  ].flat();
  return findings.sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
}

function from<T>(id: string, part: Part<T>, diagnoseValue: (value: T) => Finding[]): Finding[] {
  if (part.kind === 'known') return diagnoseValue(part.value);
  return [
    {
      id,
      severity: 'warning',
      what: `could not be examined: ${part.reason}`,
      why: 'what cannot be seen cannot be called well',
      remedy: 'let loadstone_system read the statistics views: grant pg_monitor to loadstone_system',
    },
  ];
}

function diagnoseSight(canSee: boolean): Finding[] {
  const id = 'session_details';
  if (canSee) return [fine(id, 'the server may see what other sessions do')];
  return [
    {
      id,
      severity: 'warning',
      what: 'the server may not see what sessions of other logins do',
      why: 'who holds back vacuum can be named by pid, user and application only, without age and query',
      remedy:
        'as a superuser, or the administrator of a managed Postgres: grant pg_read_all_stats to loadstone_system',
    },
  ];
}

function diagnoseTables(tables: readonly TableRows[], limits: DoctorLimits): Finding[] {
  const findings = tables.flatMap((table) => diagnoseTable(table, limits));
  if (findings.length > 0) return findings;
  const most = tables.reduce((sum, { deadRows }) => Math.max(sum, deadRows), 0);
  return [fine('dead_rows', `vacuum keeps up; no table has more than ${formatWhole(most)} dead rows`)];
}

function deadSeverity({ deadRows, liveRows, vacuumAgeMs }: TableRows, limits: DoctorLimits): Severity {
  const share = deadRows / Math.max(1, liveRows);
  if (deadRows >= limits.deadRowsProblem && share >= limits.deadShareProblem) return 'problem';
  const isDue = vacuumAgeMs === undefined || vacuumAgeMs >= limits.vacuumAgeMsWarning;
  return deadRows >= limits.deadRowsWarning && share >= limits.deadShareWarning && isDue ? 'warning' : 'ok';
}

function diagnoseTable(table: TableRows, limits: DoctorLimits): Finding[] {
  const { deadRows, liveRows, vacuumAgeMs, isAutovacuumOff } = table;
  const name = printable(table.name);
  const severity = deadSeverity(table, limits);
  const dead: Finding = {
    id: `dead_rows:${name}`,
    severity,
    what: `${name} has ${formatWhole(deadRows)} dead rows beside ${formatWhole(liveRows)} live ones; ${
      vacuumAgeMs === undefined ? 'never vacuumed' : `vacuumed ${formatDuration(vacuumAgeMs)} ago`
    }`,
    why: 'every read of the table steps over what is dead, and claims from a queue most of all',
    remedy: `see what holds back vacuum (oldest_snapshot) first; then: vacuum (verbose) ${name}`,
  };
  const off: Finding = {
    id: `autovacuum_off:${name}`,
    severity: 'warning',
    what: `autovacuum is turned off for ${name}`,
    why: 'its dead rows stay, and its transaction ids are frozen only in an emergency',
    remedy: `alter table ${name} reset (autovacuum_enabled)`,
  };
  return [...(severity === 'ok' ? [] : [dead]), ...(isAutovacuumOff ? [off] : [])];
}

function diagnoseAges(ages: readonly DatabaseAge[], limits: DoctorLimits): Finding[] {
  const kinds = [
    { id: 'id_wraparound', what: 'transaction ids', of: (age: DatabaseAge) => age.ageTransactions },
    { id: 'id_wraparound:multixacts', what: 'multixact ids', of: (age: DatabaseAge) => age.ageMultixacts },
  ];
  return kinds.map(({ id, what, of }) => {
    const [oldest] = ages.toSorted((a, b) => of(b) - of(a));
    const age = oldest ? of(oldest) : 0;
    const used = `${formatWhole(age)} ${what} are in use, ${formatShare(age / IDS_MAX)} of all there are`;
    if (!oldest || age < limits.idsWarning) return fine(id, used);
    const database = printable(oldest.database);
    return {
      id,
      severity: age >= limits.idsProblem ? 'problem' : 'warning',
      what: `${used}, by database ${database}`,
      why: 'when they run out Postgres takes no more writes until they are frozen, which can take hours',
      remedy: `end what holds back vacuum (oldest_snapshot), then, as the owner: vacuum (freeze) in database ${database}`,
    };
  });
}

function diagnoseConnections({ used, usable }: Connections, limits: DoctorLimits): Finding[] {
  const id = 'connections';
  const share = used / Math.max(1, usable);
  const what = `${used} of ${usable} connections are in use`;
  if (share < limits.connectionsWarning) return [fine(id, what)];
  return [
    {
      id,
      severity: share >= limits.connectionsProblem ? 'problem' : 'warning',
      what,
      why: 'past the last one, processes that start or reconnect are refused',
      remedy: 'run fewer processes, lower database.poolMax, or raise max_connections',
    },
  ];
}

function diagnoseIndexes(indexes: readonly InvalidIndex[]): Finding[] {
  if (indexes.length === 0) return [fine('invalid_indexes', 'every index is valid')];
  return indexes.map(({ name, table, isUnique, isReady }) => ({
    id: `invalid_indexes:${printable(name)}`,
    severity: isUnique ? 'problem' : 'warning',
    what: `the ${isUnique ? 'unique ' : ''}index ${printable(name)} on ${printable(table)} is invalid: its building failed or was interrupted`,
    why: [
      'no query uses it',
      isReady && 'every write pays for it',
      isUnique && 'values that are there twice already stay so',
    ]
      .filter(Boolean)
      .join('; '),
    remedy: `reindex index concurrently ${printable(name)}, or drop index concurrently ${printable(name)} and make it again`,
  }));
}

function diagnoseDisk({ bytes, tables }: DiskUse): Finding[] {
  const largest = tables.map((table) => `${printable(table.name)} ${formatBytes(table.bytes)}`).join(', ');
  return [fine('disk_use', `${formatBytes(bytes)} in tables and indexes; the largest: ${largest}`)];
}
