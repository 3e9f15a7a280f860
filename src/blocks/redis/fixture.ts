export { type RedisCluster, startRedisCluster } from './cluster.fixture.ts';
export { createPartition, type Partition } from './partition.fixture.ts';
export { type RedisServer, redisTest, startRedis } from './server.fixture.ts';
