/**
 * Where a projection stands: its stream, and how far its consumer group has come. Read in the caller's transaction.
 */
import type { Queryable } from '#blocks/database';
import { readCursors, readHead, readStream } from '#blocks/stream';
import type { ProjectionDefinition } from './definition.ts';
import type { Cursor } from './events.ts';

export { assertKept, lockAside, moveGroup, readHead } from '#blocks/stream';

export interface Progress {
  streamId: number;
  /** The name of the stream. */
  stream: string;
  partitions: number;
  group: string;
  /** How far the group has come; undefined when nobody has opened it. */
  cursors: Cursor[] | undefined;
  /** The newest position of the log. */
  head: string;
}

/** @throws stream_unknown */
export async function readProgress(tx: Queryable, { stream, name }: ProjectionDefinition): Promise<Progress> {
  const { streamId, partitions } = await readStream(tx, stream);
  const [cursors, head] = await Promise.all([readCursors(tx, { streamId, group: name }), readHead(tx)]);
  return {
    streamId,
    stream,
    partitions,
    group: name,
    cursors: cursors.length > 0 ? cursors : undefined,
    head,
  };
}

/** One cursor at the same position for each partition. */
export function cursorsAt(position: string, { partitions }: Pick<Progress, 'partitions'>): Cursor[] {
  return Array.from({ length: partitions }, (_, partition) => ({ partition, after: position }));
}
