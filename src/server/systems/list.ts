/**
 * The systems that come with Loadstone: the one place outside of their directories that knows their names.
 */
import type { SystemDefinition } from '#blocks/system';

export const ownSystems: Readonly<Record<string, () => Promise<{ default: SystemDefinition }>>> = {
  links: async () => (await import('#definitions/links')) as unknown as { default: SystemDefinition },
};

/** Those that a server runs when nothing else is said. */
export const SYSTEMS_DEFAULT: readonly string[] = Object.keys(ownSystems);
