export { type Core, type CoreDeps, type CoreOptions, coreMigrations, createCore } from './core.ts';
