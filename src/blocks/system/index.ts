export {
  type Call,
  type CallContext,
  defineRoute,
  handleRoute,
  type Method,
  type Reply,
  type Route,
  type RouteShape,
} from './route.ts';
export { defineSystem, type HotDeps, type System, type SystemDefinition, type SystemDeps } from './system.ts';
