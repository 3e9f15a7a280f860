export { discoveryMigrations } from './migrations.ts';
export { type RegistryOptions, registryOptions } from './options.ts';
export { createRegistry, type ListedProcess, listProcesses, type Registry } from './registry.ts';
export {
  createPostgresRegistry,
  type ProcessDescription,
  type ProcessEntry,
  type ProcessState,
  type RegistryStore,
} from './store.ts';
