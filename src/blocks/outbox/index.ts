export { outboxErrors } from './errors.ts';
export { checkEvent, type EventPlacement, PAYLOAD_BYTES_MAX, type Told } from './insert.ts';
export { outboxMigrations } from './migrations.ts';
export { backlogBytes } from './model.ts';
export { type OutboxOptions, outboxOptions } from './options.ts';
export { createOutbox, type Outbox, type OutboxDeps, type OutboxLag } from './outbox.ts';
export { readWaiting, readWaitingIds, selectWaiting, type WaitingEvent } from './waiting-reads.ts';
