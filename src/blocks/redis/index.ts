export type { Argument, Reply } from './connection.ts';
export { redisErrors } from './errors.ts';
export { type RedisOptions, redisOptions } from './options.ts';
export { createRedis, type Redis, type RedisDeps, type ScriptArguments } from './redis.ts';
export { createScript, type Script } from './script.ts';
