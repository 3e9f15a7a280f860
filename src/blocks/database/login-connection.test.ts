import assert from 'node:assert/strict';
import type { Readable } from 'node:stream';
import { test } from 'node:test';
import { eventually } from '#base/testing/eventually.fixture';
import { startTestDatabase } from './fixture.ts';
import { withLoginConnection } from './login-connection.ts';
import { sql } from './sql.ts';

/** Of a row in COPY's text format, the newline included. */
const ROW_BYTES = 1000;

test('whoever reads a table slowly can ask on after its end, wherever the last pause was', async () => {
  const { url, admin } = await startTestDatabase();
  await admin.run(sql`create table public.rows (body text)`);
  await withLoginConnection(url, new AbortController().signal, async (connection) => {
    for (let rows = 256; rows <= 330; rows += 4) {
      await connection.run(sql`truncate public.rows`);
      await connection.run(
        sql`insert into public.rows select repeat('x', ${ROW_BYTES - 1}) from generate_series(1, ${rows})`,
      );
      const copy = connection.copyOut({ schema: 'public', name: 'rows', columns: ['body'] }) as Readable;
      const bytes = rows * ROW_BYTES;
      await eventually('all that fits has come', () => copy.readableLength >= Math.min(bytes, 262_144));
      let read = 0;
      for await (const chunk of copy) read += (chunk as Buffer).length;
      assert.equal(read, bytes);
      assert.deepEqual(await connection.first(sql`select ${rows}::integer as rows`), { rows });
    }
  });
});
