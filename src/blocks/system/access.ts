/**
 * Who may ask for what a route answers.
 *
 * `public`: anyone, without a key. Otherwise a permission: `orders:write`, in words of the system that owns it. Any API key
 * has every permission so far; what a route needs is declared from the start, so that roles and end users only have to be
 * granted some of them.
 */

export type Permission = `${string}:${string}`;

export type Access = 'public' | Permission;

const PERMISSION = /^([a-z][a-z0-9_]*):[a-z][a-z0-9_]*$/;

/** The system whose permission it is; undefined when it is none. */
export function ownerOf(permission: string): string | undefined {
  return PERMISSION.exec(permission)?.[1];
}
