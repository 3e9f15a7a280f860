/**
 * pg-boss 12, with what its documentation has for speed: batches, several local workers, fetching on while batches are
 * full, and LISTEN/NOTIFY for jobs that come one by one. Of batch sizes 100 to 5,000 and 1 to 10 workers, these were the
 * fastest.
 */
import { PgBoss } from 'pg-boss';
import { CONCURRENCY, CONNECTIONS_MAX, PAYLOAD, type Server, type Subject } from './subject.ts';

const QUEUE = 'bench';
const BATCH = 2000;

export function createPgBoss({ socketDirectory, port, database, user }: Server): Subject {
  const boss = new PgBoss({
    host: socketDirectory,
    port,
    database,
    user,
    max: CONNECTIONS_MAX,
    useListenNotify: true,
  });
  return {
    name: 'pg-boss',
    settings: `batchSize ${BATCH}, localConcurrency ${CONCURRENCY}, burstWhenBatchFull, notify`,
    async start() {
      boss.on('error', (error) => {
        throw error;
      });
      await boss.start();
      await boss.createQueue(QUEUE, { notify: true });
    },
    async enqueue() {
      await boss.send(QUEUE, PAYLOAD);
    },
    async enqueueMany(count) {
      await boss.insert(
        QUEUE,
        Array.from({ length: count }, () => ({ data: PAYLOAD })),
      );
    },
    async work(onJob) {
      const options = {
        batchSize: BATCH,
        localConcurrency: CONCURRENCY,
        pollingIntervalSeconds: 0.5,
        burstWhenBatchFull: true,
      };
      await boss.work(QUEUE, options, async (jobs) => onJob(jobs.length));
      return { stop: () => boss.offWork(QUEUE, { wait: true }) };
    },
    async isEmpty() {
      const { rows } = await boss
        .getDb()
        .executeSql(`select id from pgboss.job where state < 'completed' limit 1`, []);
      return rows.length === 0;
    },
    async clear() {
      await boss.deleteAllJobs(QUEUE);
    },
    stop: () => boss.stop({ graceful: false }),
  };
}
