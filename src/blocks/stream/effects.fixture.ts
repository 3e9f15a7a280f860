/**
 * A handler whose effects can be looked at, and that can be told to fail.
 */
import { type Queryable, sql } from '#blocks/database';
import type { Handler } from './consumer/batches.ts';
import type { StreamEvent } from './event.ts';

export interface Effects {
  handler: Handler;
  /** The keys of the events handled, in the order of the commits. */
  keys(): Promise<string[]>;
  /** The numbers in the payloads of one key's events. */
  numbers(key: string): Promise<number[]>;
  /** Called in the transaction, after the effects have been written. */
  setFault(fault: (events: readonly StreamEvent[], tx: Queryable) => void | Promise<void>): void;
  /** The sizes of the batches handed out, refused ones too. */
  batches: number[];
}

/** The table that effects are written to. To be made by the superuser, once. */
export async function makeEffectsTable(admin: Queryable): Promise<void> {
  await admin.run(sql`
    create table core.test_effects (
      place bigint generated always as identity, name text not null, event_id bigint not null, key text not null,
      n integer, check (n < 1000), unique (name, event_id) deferrable initially deferred)`);
  await admin.run(sql`grant select, insert on core.test_effects to loadstone_system`);
}

const numberOf = ({ payload }: StreamEvent) => (payload as { n?: number }).n ?? 0;

/** @param name tells the effects of one test from those of others */
export function createEffects(core: Queryable, name: string): Effects {
  const batches: number[] = [];
  let fault: (events: readonly StreamEvent[], tx: Queryable) => void | Promise<void> = () => {};
  return {
    batches,
    async handler(events, tx) {
      batches.push(events.length);
      await tx.run(sql`
        insert into core.test_effects (name, event_id, key, n)
        select ${name}, event_id, key, n
        from unnest(${events.map(({ id }) => id)}::bigint[], ${events.map(({ key }) => key)}::text[],
          ${events.map(numberOf)}::integer[]) with ordinality as effect (event_id, key, n, place)
        order by place`);
      await fault(events, tx);
    },
    setFault(next) {
      fault = next;
    },
    async keys() {
      const rows = await core.rows<{ key: string }>(sql`
        select key from core.test_effects where name = ${name} order by place`);
      return rows.map(({ key }) => key);
    },
    async numbers(key) {
      const rows = await core.rows<{ n: number }>(sql`
        select n from core.test_effects where name = ${name} and key = ${key} order by place`);
      return rows.map(({ n }) => n);
    },
  };
}
