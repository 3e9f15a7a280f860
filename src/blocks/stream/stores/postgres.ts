/**
 * The ports on Postgres: the tables `core.stream*`, in the database that also has the outbox.
 */
import type { Queryable } from '#blocks/database';
import type { StreamStore } from '../store.ts';
import { createAsideStore } from './postgres-aside.ts';
import { createGroupBeats } from './postgres-beats.ts';
import { createGroupStore } from './postgres-group.ts';
import { readGroups } from './postgres-groups.ts';
import { createLogStore } from './postgres-log.ts';
import { createSegmentStore } from './postgres-segments.ts';

/** @param core the server's own tables (`database.core`) */
export function createPostgresStreams(core: Queryable): StreamStore {
  const beat = createGroupBeats(core);
  return {
    ...createLogStore(core),
    ...createSegmentStore(core),
    groups: () => readGroups(core),
    group: (stream, name) => createGroupStore(core, stream, name, beat),
    aside: (stream, groupName) => createAsideStore(core, stream, groupName),
  };
}
