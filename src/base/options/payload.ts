/**
 * Payloads that outlive the program that wrote them: checked against a schema when they are made and when they are read,
 * and brought from an old version to the present one step by step. Pure.
 */
import assert from 'node:assert/strict';
import type { Static, TSchema } from 'typebox';
import { describeError } from '../errors.ts';
import type { JsonValue } from '../values/json.ts';
import { compileSchema, type Validator } from './validate.ts';

export interface Versions {
  /** Of what is made from now on. Default: 1. */
  readonly version?: number;
  /**
   * From each older version the step to the next one. The type that a step says its `old` has is believed: it was checked
   * by the schema of that time.
   */
  readonly upgrades?: Readonly<Record<number, (old: never) => unknown>>;
}

export type PayloadRead<Payload> =
  | { kind: 'read'; payload: Payload }
  | { kind: 'unreadable'; detail: string; cause?: unknown }
  /** A program that is newer than this one has written it. */
  | { kind: 'unknown_version'; detail: string };

export interface PayloadType<Payload> {
  readonly version: number;
  fits(value: unknown): value is Payload & JsonValue;
  /** What is wrong with a value, without a word of its content: it goes to logs. */
  describeMisfit(value: unknown): string;
  /** @param version that it was written in */
  read(stored: JsonValue, version: number): PayloadRead<Payload>;
}

export const VERSION_MAX = 9999;
const MISFITS_MAX = 3;

function assertVersions(name: string, version: number, upgrades: NonNullable<Versions['upgrades']>): void {
  const isVersion = Number.isInteger(version) && version >= 1 && version <= VERSION_MAX;
  assert(isVersion, `${name}: a version is 1 to ${VERSION_MAX}: ${version}`);
  const steps = Object.keys(upgrades)
    .map(Number)
    .sort((a, b) => a - b);
  const wanted = Array.from({ length: version - 1 }, (_, at) => at + 1);
  assert.deepEqual(steps, wanted, `${name}: version ${version} has an upgrade from each version before it`);
}

/** @param name of what has this payload, for messages */
export function definePayload<S extends TSchema>(
  name: string,
  schema: S,
  { version = 1, upgrades = {} }: Versions,
): PayloadType<Static<S>> {
  assertVersions(name, version, upgrades);
  // Compiled when first needed: a command that only starts should not pay for every payload there is.
  let validator: Validator<S> | undefined;
  const compiled = () => {
    validator ??= compileSchema(schema);
    return validator;
  };

  function fits(value: unknown): value is Static<S> & JsonValue {
    return compiled().fits(value);
  }

  function describeMisfit(value: unknown): string {
    const misfits = compiled()
      .problems(value)
      .slice(0, MISFITS_MAX)
      .map(({ instancePath, message }) => `${instancePath || 'it'} ${message}`);
    return misfits.join(', ');
  }

  /** On a copy, since what is stored may be read again. */
  function upgrade(stored: JsonValue, from: number): unknown {
    let payload: unknown = structuredClone(stored);
    for (let at = from; at < version; at++) payload = (upgrades[at] as (old: unknown) => unknown)(payload);
    return payload;
  }

  return {
    version,
    fits,
    describeMisfit,
    read(stored, from) {
      if (!(Number.isInteger(from) && from >= 1 && from <= version))
        return { kind: 'unknown_version', detail: `${name} is known up to version ${version}` };
      let payload: unknown = stored;
      try {
        if (from < version) payload = upgrade(stored, from);
      } catch (cause) {
        const detail = `${name}: version ${from} cannot be upgraded: ${describeError(cause)}`;
        return { kind: 'unreadable', detail, cause };
      }
      if (fits(payload)) return { kind: 'read', payload };
      const written = from < version ? ` (written in version ${from})` : '';
      return { kind: 'unreadable', detail: `${name}${written}: ${describeMisfit(payload)}` };
    },
  };
}
