export { copyCluster, copyPrepared } from './directory/cluster.fixture.ts';
export { readControlFile } from './directory/control-file.ts';
export { createPostgresServer } from './process/postgres-server.ts';
export { chooseSite } from './site.ts';
export { markStandby } from './standby/fence.ts';
