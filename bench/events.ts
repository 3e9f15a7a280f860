/**
 * From a commit to its effect in a projection: `POST /v1/links` to `links.counts`, on a whole server with its default
 * options; idle, and under load.
 */
import { join } from 'node:path';
import type { Bench, BenchOptions, Workplace } from './bench.ts';
import { type Delay, measureIdle, measureSeen } from './events-idle.ts';
import { type Sustained, type SustainedStage, sustainByApi, sustainBySql } from './events-sustained.ts';
import { type Client, createClient } from './links.ts';
import { createDataPlace, type DataPlace, startLoadstone } from './loadstone.ts';
import { chooseCores, pinned, ROOT } from './machine.ts';
import { lookIntoPostgres, type Postgres, pinProcesses, readPostgresAddress } from './postgres-usage.ts';
import { formatResults, judge } from './reports/events.ts';
import { requireWrk } from './wrk.ts';

const IDLE_EACH_ROUND = 80;
const IDLE_EACH_QUICK_ROUND = 150;
const WARM_UP = 30;
const WARM_UP_S = 2;
const SEEN = 100;

interface Running {
  url: string;
  pid: number;
  postgres: Postgres;
  address: ReturnType<typeof readPostgresAddress>;
  stop(): Promise<void>;
}

async function start(workplace: Workplace, place: DataPlace): Promise<Running> {
  const command = [process.execPath, join(ROOT, 'src/cli/main.ts'), 'start'];
  const { child, address: listening } = startLoadstone(workplace, place, command, { hasChannel: true });
  const url = await listening;
  const address = readPostgresAddress(place.directory);
  const postgres = await lookIntoPostgres(address);
  return {
    ...{ url, pid: child.pid, postgres, address },
    async stop() {
      await postgres.close();
      await child.stop();
    },
  };
}

interface Stage {
  workplace: Workplace;
  client: Client;
  place: DataPlace;
  options: BenchOptions;
}

async function runIdle({ workplace, client, place, options }: Stage) {
  const running = await start(workplace, place);
  const { url, postgres } = running;
  const stage = { client, postgres, url, key: place.key };
  await measureIdle(stage, WARM_UP, 0);
  const each = options.isQuick ? IDLE_EACH_QUICK_ROUND : IDLE_EACH_ROUND;
  const idle: Delay[][] = [];
  for (let number = 1; number <= options.rounds; number++) {
    idle.push(await measureIdle(stage, each, number));
    workplace.say(`round ${number}: ${each} single creations`);
  }
  const seenMs = await measureSeen(stage, SEEN);
  await running.stop();
  return { idle, seenMs };
}

/** The server has one core, Postgres and the generator the other. */
async function runSustained({ workplace, client, place, options }: Stage, seconds: number) {
  const cores = chooseCores();
  const running = await start(workplace, place);
  const { url, pid, postgres, address } = running;
  pinProcesses([pid], [cores.server]);
  pinProcesses(await postgres.pids(), [cores.load]);
  const pin = (command: readonly string[]) => pinned(cores.load, command);
  const { connections } = options;
  const stage: SustainedStage = {
    ...{ workplace, client, postgres, address, url, key: place.key, pid, connections, pin },
  };
  await postgres.settle();
  await sustainByApi(stage, WARM_UP_S, 'warm');
  const api: Sustained[] = [];
  const sql: Sustained[] = [];
  for (let number = 1; number <= options.rounds; number++) {
    const ofApi = await sustainByApi(stage, seconds, `round-${number}`);
    const ofSql = await sustainBySql(stage, seconds);
    api.push(ofApi);
    sql.push(ofSql);
    workplace.say(
      `round ${number}: by the API ${ofApi.eventsPerS.toFixed(0)} events a second, by SQL ${ofSql.eventsPerS.toFixed(0)}`,
    );
  }
  await running.stop();
  return { api, sql };
}

/** Whether Postgres stamps commits: it reads that when it starts. */
async function setStamps({ workplace, place }: Stage, to: 'on' | 'off'): Promise<void> {
  const running = await start(workplace, place);
  await running.postgres.client.query(`alter system set track_commit_timestamp = ${to}`);
  await running.stop();
}

export const events: Bench = {
  summary: 'from a commit to its projection; bars: idle p50 10 ms and p99 50 ms, under load a bounded lag',
  connections: 32,
  async run(options, workplace) {
    requireWrk(workplace.say);
    const client = createClient();
    const stage: Stage = { workplace, client, place: createDataPlace(workplace), options };
    try {
      await setStamps(stage, 'on');
      const { idle, seenMs } = await runIdle(stage);
      await setStamps(stage, 'off');
      const { api, sql } = await runSustained(stage, options.seconds);
      const results = { idle, seenMs, api, sql };
      return { bars: judge(results), data: results, text: formatResults(results, options.seconds) };
    } finally {
      client.close();
    }
  },
};
