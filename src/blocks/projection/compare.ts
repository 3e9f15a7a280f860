/**
 * Two tables of the same columns, row by row.
 */
import { identifier, nothing, type Queryable, type Sql, sql } from '#blocks/database';
import { type Columns, list, names } from './columns.ts';

/** Values are as Postgres writes them. */
export type RowText = Readonly<Record<string, string | null>>;

export interface Difference {
  /** The columns of the primary key. */
  key: RowText;
  /** `missing`: only in the truth. `unexpected`: only in the table. */
  kind: 'missing' | 'unexpected' | 'different';
  /** The other columns, by the truth; undefined for an unexpected row. */
  expected: RowText | undefined;
  /** The other columns, by the table; undefined for a missing row. */
  actual: RowText | undefined;
}

export interface Comparison {
  rowsCompared: number;
  differencesTotal: number;
  /** The first ones, by their keys. */
  differences: Difference[];
}

export interface Sides {
  expected: Sql;
  actual: Sql;
  /** Which rows of both. */
  where: Sql;
  columns: Pick<Columns, 'key' | 'compared'>;
  /** At most so many rows, which the seed picks. */
  sample: { rows: number; seed: number } | undefined;
}

const DIFFERENCES_MAX = 10;

interface DifferenceRow {
  key: RowText;
  kind: Difference['kind'];
  expected: RowText;
  actual: RowText;
}

/** The values of the columns as text, by their names. */
function asText(columns: readonly string[], table: string): Sql {
  const pairs = columns.map((each) => sql`${each}::text, ${identifier(`${table}.${each}`)}::text`);
  return sql`jsonb_build_object(${list(pairs)})`;
}

function sampled(key: readonly string[], { rows, seed }: NonNullable<Sides['sample']>): Sql {
  const text = list(key.map((each) => sql`${identifier(each)}::text`));
  return sql`order by hashtextextended(concat_ws('/', ${text}), ${seed}) limit ${rows}`;
}

/** The keys of both sides, what each has of them, and whether it is the same. */
function compared({ expected, actual, where, columns, sample }: Sides): Sql {
  const { key } = columns;
  const values = columns.compared.filter((each) => !key.includes(each));
  const [first = ''] = key;
  const isDifferent =
    values.length === 0
      ? sql`false`
      : sql`row(${names(values, 'expected')}) is distinct from row(${names(values, 'actual')})`;
  return sql`
    with expected as not materialized (select ${names(columns.compared)} from ${expected} where ${where}),
    actual as not materialized (select ${names(columns.compared)} from ${actual} where ${where}),
    both_keys as (
      select ${names(key)} from (
        select ${names(key)} from expected union select ${names(key)} from actual
      ) as all_keys
      ${sample ? sampled(key, sample) : nothing}
    ),
    compared as (
      select row(${names(key, 'both_keys')}) as key_row, ${asText(key, 'both_keys')} as key_text,
        ${asText(values, 'expected')} as expected_text, ${asText(values, 'actual')} as actual_text,
        case
          when ${identifier(`actual.${first}`)} is null then 'missing'
          when ${identifier(`expected.${first}`)} is null then 'unexpected'
          when ${isDifferent} then 'different'
        end as kind
      from both_keys
      left join expected using (${names(key)})
      left join actual using (${names(key)})
    )`;
}

/** Compares as Postgres does by `is distinct from`; both tables and their rows are those of the transaction. */
export async function compare(tx: Queryable, sides: Sides): Promise<Comparison> {
  const counts = await tx.first<{ rows: string; different: string }>(sql`
    ${compared(sides)} select count(*) as rows, count(kind) as different from compared`);
  const differencesTotal = Number(counts?.different ?? 0);
  const rows =
    differencesTotal === 0
      ? []
      : await tx.rows<DifferenceRow>(sql`
          ${compared(sides)}
          select key_text as key, kind, expected_text as expected, actual_text as actual
          from compared where kind is not null
          order by key_row
          limit ${DIFFERENCES_MAX}`);
  const differences = rows.map(({ key, kind, expected, actual }) => ({
    key,
    kind,
    expected: kind === 'unexpected' ? undefined : expected,
    actual: kind === 'missing' ? undefined : actual,
  }));
  return { rowsCompared: Number(counts?.rows ?? 0), differencesTotal, differences };
}
