/**
 * How the version of an event is written: behind its name, in the column of the type. Version 1 is the name alone, so that
 * what was stored before there were versions is of version 1, and takes no byte more. Pure.
 */

const MARK = '@';

/** `order.placed` of version 1, `order.placed@2` of version 2. */
export function formatEventType(name: string, version: number): string {
  return version === 1 ? name : `${name}${MARK}${version}`;
}

/** The version is NaN, which nobody knows, where what follows the mark is none that would be written so. */
export function parseEventType(type: string): { name: string; version: number } {
  const at = type.indexOf(MARK);
  if (at === -1) return { name: type, version: 1 };
  const [name, written] = [type.slice(0, at), type.slice(at + 1)];
  return { name, version: /^(?!1$)[1-9]\d{0,3}$/.test(written) ? Number(written) : Number.NaN };
}
