/**
 * What an event is, and where in its stream it goes. Pure.
 */
import assert from 'node:assert/strict';
import type { JsonValue } from '#base/values/json';
import { bucketOf } from '#blocks/database';

/** A fact in the log. */
export interface StreamEvent {
  /** Made by the writer; the same however often the event is read. */
  readonly id: string;
  /** Grows within a partition, with holes. A decimal string: compare positions by `comparePositions`. */
  readonly position: string;
  readonly partition: number;
  readonly workspaceId: string;
  /** The logical bucket of the rows that the event tells of. */
  readonly bucket: number;
  /** As stored: the name, from version 2 on with the version behind it (event-type.ts). Definitions read it. */
  readonly type: string;
  /** Events of one workspace and key stay in order. */
  readonly key: string;
  readonly payload: JsonValue;
  /** By the clock of the writer. */
  readonly createdAt: Date;
  /** The W3C trace context of the writer. */
  readonly traceparent: string | undefined;
}

/** A stream as it was declared. The number of partitions never changes: it decides where a key lives. */
export interface StreamInfo {
  readonly streamId: number;
  readonly name: string;
  readonly partitions: number;
}

/** Before every position. */
export const POSITION_MIN = '0';

const NAME = /^[a-z][a-z0-9_.-]{0,99}$/;

export function assertName(what: string, name: string): void {
  assert.match(name, NAME, `not the name of a ${what}: ${name}`);
}

/** 0–1023: the partition of a key is this modulo the number of partitions. Never changes. */
export function bucketOfKey(workspaceId: string, key: string): number {
  return bucketOf(`${workspaceId}/${key}`);
}

/** The trace that the event belongs to, for log lines. */
export function traceIdOf({ traceparent }: StreamEvent): string | undefined {
  return traceparent?.slice(3, 35);
}

/** Negative, 0 or positive, as for `sort`. */
export function comparePositions(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}
