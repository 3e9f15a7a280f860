/**
 * Postgres settings that the promises stand on. Pure.
 */
import { type Finding, fine, type Severity } from './finding.ts';

/** None of these may be `off`. `synchronous_commit` has other values, which all wait at least for the local disk. */
const RULES: readonly { name: string; severity: Severity; why: string }[] = [
  {
    name: 'fsync',
    severity: 'problem',
    why: 'a power cut or a crash of the machine can leave the database damaged beyond repair',
  },
  {
    name: 'full_page_writes',
    severity: 'problem',
    why: 'a page that was half written at a power cut is damaged, unless the file system writes pages whole',
  },
  {
    name: 'synchronous_commit',
    severity: 'problem',
    why: 'a write that was acknowledged can be lost when Postgres or the machine crashes',
  },
  {
    name: 'autovacuum',
    severity: 'problem',
    why: 'dead rows of queue and outbox stay, and every claim steps over all of them',
  },
  {
    name: 'track_counts',
    severity: 'problem',
    why: 'autovacuum does nothing without these statistics, and dead rows cannot be counted',
  },
  {
    name: 'track_activities',
    severity: 'warning',
    why: 'who holds back vacuum can be named, but not what it is doing',
  },
];

/** The settings that `diagnoseSettings` judges. */
export const judgedSettings: readonly string[] = RULES.map(({ name }) => name);

/** One finding for each setting that is off; one in all when none is. */
export function diagnoseSettings(settings: Readonly<Record<string, string>>): Finding[] {
  const wrong = RULES.filter(({ name }) => settings[name] === 'off').map(({ name, severity, why }) => ({
    id: `settings:${name}`,
    severity,
    what: `${name} is off`,
    why,
    remedy: `alter system set ${name} = on; select pg_reload_conf(); and see that neither login nor database sets it otherwise`,
  }));
  if (wrong.length > 0) return wrong;
  const told = RULES.map(({ name }) => `${name} ${settings[name] ?? 'unknown'}`).join(', ');
  return [fine('settings', told)];
}
