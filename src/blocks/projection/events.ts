/**
 * The events that concern a projection, wherever they are: in the log, waiting in the outbox, set aside by its consumer
 * group. All is read in the caller's transaction, so that it agrees with what else is read there.
 */
export { readWaiting, readWaitingIds, type WaitingEvent } from '#blocks/outbox';
export {
  type AsideEvent,
  type Cursor,
  type EventsRead,
  type ReadBound as Bound,
  readAside,
  readLog,
} from '#blocks/stream';
