/**
 * Two systems that refer to each other: `people`, and `feed` with posts (which go with their author), teams (whose owner
 * cannot be deleted) and mentions (which stay).
 */
import Type from 'typebox';
import { identifier, type Queryable, type Reader, sql } from '#blocks/database';
import type { MutationTx } from '#blocks/mutation';
import { defineEvent } from '#blocks/stream';
import { deletionsOf, type Reference, type ReferringRow, references } from './reference.ts';

export const personDeleted = defineEvent('person.deleted', Type.Object({ personId: Type.String() }), {
  stream: 'people',
  key: ({ personId }) => personId,
});
const postRemoved = defineEvent('post.removed', Type.Object({ postId: Type.String() }), {
  stream: 'feed',
  key: ({ postId }) => postId,
});

export type Table = 'posts' | 'teams' | 'mentions';

const TABLES: readonly Table[] = ['posts', 'teams', 'mentions'];

export async function makeTables(admin: Queryable): Promise<void> {
  await admin.run(sql`create schema people`);
  await admin.run(sql`create schema feed`);
  await admin.run(sql`
    create table people.people (workspace_id bigint, person_id bigint, primary key (workspace_id, person_id))`);
  for (const table of TABLES) {
    await admin.run(sql`
      create table ${identifier(`feed.${table}`)} (row_id bigint primary key, workspace_id bigint not null,
        bucket smallint not null, person_id bigint not null)`);
    await admin.run(sql`create index on ${identifier(`feed.${table}`)} (workspace_id, person_id)`);
  }
  for (const schema of ['people', 'feed']) {
    const name = identifier(schema);
    await admin.run(sql`grant usage on schema ${name} to loadstone_app, loadstone_system`);
    await admin.run(sql`grant all on all tables in schema ${name} to loadstone_app, loadstone_system`);
  }
}

interface StoredRow {
  row_id: string;
  workspace_id: string;
  bucket: number;
  person_id: string;
}

const toReferring = (row: StoredRow): ReferringRow => ({
  id: row.row_id,
  workspaceId: row.workspace_id,
  bucket: row.bucket,
  to: row.person_id,
});

/** The side of the feed, for one of its tables. */
function fromFeed(table: Table) {
  const rows = identifier(`feed.${table}`);
  return {
    system: 'feed',
    async page(reader: Reader, after: string | undefined, limit: number) {
      const found = await reader.rows<StoredRow>(sql`
        select row_id, workspace_id, bucket, person_id from ${rows}
        where row_id > ${after ?? '0'} order by row_id limit ${limit}`);
      return found.map(toReferring);
    },
    async of(reader: Reader, workspaceId: string, toIds: readonly string[], limit: number) {
      const found = await reader.rows<StoredRow>(sql`
        select row_id, workspace_id, bucket, person_id from ${rows}
        where workspace_id = ${workspaceId} and person_id = any(${toIds}::bigint[]) limit ${limit}`);
      return found.map(toReferring);
    },
  };
}

const toPeople = {
  system: 'people',
  async living(reader: Reader, workspaceId: string, ids: readonly string[]) {
    const found = await reader.rows<{ person_id: string }>(sql`
      select person_id from people.people
      where workspace_id = ${workspaceId} and person_id = any(${ids}::bigint[])`);
    return found.map((row) => row.person_id);
  },
};

async function removePosts(tx: MutationTx, rows: readonly ReferringRow[]): Promise<number> {
  const gone = await tx.rows<{ row_id: string }>(sql`
    delete from feed.posts using unnest(${rows.map(({ id }) => id)}::bigint[],
      ${rows.map(({ to }) => to)}::bigint[]) as given (row_id, person_id)
    where posts.row_id = given.row_id and posts.person_id = given.person_id
    returning posts.row_id`);
  for (const { row_id: key } of gone) {
    tx.publish(postRemoved.of({ postId: key }));
  }
  return gone.length;
}

export const postAuthor = references({
  name: 'post_author',
  from: { ...fromFeed('posts'), remove: removePosts },
  to: {
    ...toPeople,
    ...deletionsOf([personDeleted], ({ key }) => key),
  },
  onDelete: 'cascade',
});

export const teamOwner = references({
  name: 'team_owner',
  from: fromFeed('teams'),
  to: toPeople,
  onDelete: 'restrict',
});

export const mentionOf = references({
  name: 'mention_of',
  from: fromFeed('mentions'),
  to: toPeople,
  onDelete: 'keep',
});

/** By the table that refers. */
export const declared: Readonly<Record<Table, Reference>> = {
  posts: postAuthor,
  teams: teamOwner,
  mentions: mentionOf,
};
