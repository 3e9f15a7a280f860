/**
 * Graphile Worker 0.18, with what its documentation has for speed: a local queue and batched completion. Of local queues
 * of 500 to 2,000 jobs and completion delays of 0 to 5 ms, these were the fastest.
 */
import { Logger, makeWorkerUtils, run, type WorkerUtils } from 'graphile-worker';
import pg from 'pg';
import { CONCURRENCY, CONNECTIONS_MAX, PAYLOAD, type Server, type Subject } from './subject.ts';

const TASK = 'bench';
const LOCAL_QUEUE = 2000;

export function createGraphileWorker({ socketDirectory: host, port, database, user }: Server): Subject {
  const pgPool = new pg.Pool({ host, port, database, user, max: CONNECTIONS_MAX });
  const logger = new Logger(() => () => {});
  let utils: WorkerUtils | undefined;

  function started(): WorkerUtils {
    if (!utils) throw new Error('not started');
    return utils;
  }

  return {
    name: 'graphile-worker',
    settings: `concurrentJobs ${CONCURRENCY}, localQueue ${LOCAL_QUEUE}, completeJobBatchDelay 0`,
    async start() {
      for (const event of ['error', 'connect'] as const) pgPool.on(event, () => {});
      utils = await makeWorkerUtils({ pgPool, logger });
      await utils.migrate();
    },
    async enqueue() {
      await started().addJob(TASK, PAYLOAD);
    },
    async enqueueMany(count) {
      await started().addJobs(Array.from({ length: count }, () => ({ identifier: TASK, payload: PAYLOAD })));
    },
    async work(onJob) {
      const worker = {
        concurrentJobs: CONCURRENCY,
        localQueue: { size: LOCAL_QUEUE },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      };
      const taskList = { [TASK]: () => onJob(1) };
      return run({ pgPool, logger, noHandleSignals: true, preset: { worker }, taskList });
    },
    async isEmpty() {
      const { rows } = await pgPool.query('select id from graphile_worker._private_jobs limit 1');
      return rows.length === 0;
    },
    async clear() {
      await started().withPgClient(async (client) => {
        await client.query('truncate graphile_worker._private_jobs');
      });
    },
    async stop() {
      await utils?.release();
      await pgPool.end();
    },
  };
}
