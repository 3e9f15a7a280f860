import type { XminHolder } from './holders.ts';

export type SessionHolder = Extract<XminHolder, { kind: 'session' }>;

/** A session that reads for ten seconds. */
export function makeHolder(given: Partial<SessionHolder> = {}): SessionHolder {
  return {
    kind: 'session',
    holds: 'rows',
    xid: '700',
    ageTransactions: 50,
    ageMs: 10_000,
    since: new Date(0),
    isWriting: false,
    pid: 4711,
    user: 'shop',
    database: 'loadstone',
    application: 'reports',
    client: '10.0.0.7',
    process: 'client backend',
    state: 'active',
    query: 'select 1',
    isVisible: true,
    ...given,
  };
}
