/**
 * Tells the processes of a database of each other's news, so that they wait instead of looking. Notifications of Postgres,
 * sent after the commit and outside of its transaction, each on its own and several of one moment as one. They are hints: whoever
 * acts on one looks, and whoever waits for one looks now and then all the same.
 *
 * States:  deaf ──start──▶ connecting ──LISTEN──▶ listening
 *                            ▲  backed off           │ the connection is lost: all are told that they may have missed news
 *                            └───────────────────────┘
 */
import { backoffMs } from '#base/backoff';
import type { Clock } from '#base/clock';
import { withSignal } from '#base/deadline';
import { describeError, isLoadstoneError } from '#base/errors';
import { createLifecycle, type Lifecycle } from '#base/lifecycle';
import { createLoop } from '#base/loop';
import type { Runtime } from '#base/runtime';
import { type Database, LISTEN_APPLICATION, type ListenConnection, sql } from '#blocks/database';
import { decodeNews, encodeNews } from './news.ts';
import type { WakeupOptions } from './options.ts';
import type { News, Subject } from './subject.ts';

export interface Wakeups extends Lifecycle {
  /** Tells the other processes, soon. To be called after a commit; costs nothing where there are none. */
  notify(subject: Subject, news?: News): void;
  /**
   * Tells `listener` of what other processes have told; also, without news, whenever something may have been missed.
   * Returns the unsubscribe.
   */
  on(subject: Subject, listener: (news: News) => void): () => void;
  /** Whether news arrive. Who waits for them looks often while they do not. */
  isListening(): boolean;
  readonly lookMsMax: number;
}

export interface WakeupsDeps extends Runtime {
  database: Pick<Database, 'core' | 'listen'>;
}

const CHANNEL = 'loadstone_wakeup';
/** Between two notifications of a process; news of the meantime go together. */
const GATHER_MS = 10;
/** How often it is asked who else listens, which also finds out that the connection still answers. */
const CHECK_MS = 30_000;
const RETRY = { baseMs: 100, maxMs: 2000 };

/** For those that stand alone, and look. */
export const noWakeups: Pick<Wakeups, 'notify' | 'on' | 'isListening' | 'lookMsMax'> = {
  notify() {},
  on: () => () => {},
  isListening: () => false,
  lookMsMax: 6000,
};

function createListeners() {
  const listeners = new Map<Subject, Set<(news: News) => void>>();
  const tell = (subject: Subject, news: News) => {
    for (const listener of [...(listeners.get(subject) ?? [])]) listener(news);
  };
  return {
    on(subject: Subject, listener: (news: News) => void): () => void {
      const own = listeners.get(subject) ?? new Set();
      listeners.set(subject, own.add(listener));
      return () => own.delete(listener);
    },
    tell,
    tellAll(): void {
      for (const subject of listeners.keys()) tell(subject, undefined);
    },
  };
}

/** Sends at once what comes after a pause, and gathers what comes close behind it; one at a time. */
function createSender(clock: Clock, send: (payload: string) => Promise<void>) {
  let waiting = new Map<Subject, News>();
  let sentMs = Number.NEGATIVE_INFINITY;

  async function flush(): Promise<number> {
    if (waiting.size === 0) return Number.POSITIVE_INFINITY;
    const payload = encodeNews(waiting);
    waiting = new Map();
    sentMs = clock.monotonicMs();
    await send(payload);
    return Number.POSITIVE_INFINITY;
  }

  const loop = createLoop(clock, { work: flush, failed: () => GATHER_MS });
  return {
    add(subject: Subject, news: News): void {
      const before = waiting.get(subject);
      const isUnknown = news === undefined || (waiting.has(subject) && before === undefined);
      waiting.set(subject, isUnknown ? undefined : new Map([...(before ?? []), ...news]));
      loop.begin(Math.max(0, sentMs + GATHER_MS - clock.monotonicMs()));
    },
    /** Sends the rest at once. */
    async end(): Promise<void> {
      await loop.stop();
      await flush();
    },
  };
}

/** Its start does not wait for the connection, and does not fail: without it everybody looks. */
export function createWakeups({ listen, lookMsMax }: WakeupOptions, deps: WakeupsDeps): Wakeups {
  const { clock, random, log, database } = deps;
  const { on, tell, tellAll } = createListeners();
  let connection: ListenConnection | undefined;
  let hasOthers = false;
  let heard = 0;
  let said: string | undefined;
  let lose: (error: unknown) => void = () => {};

  const sender = createSender(clock, async (payload) => {
    try {
      const query = sql`select pg_notify(${CHANNEL}, ${payload})`;
      await (connection ?? database.core).first(query);
    } catch (error) {
      if (!listening.isStopping())
        log.debug({ err: error }, 'others were perhaps not told of news; they look');
    }
  });

  function onNotification(payload: string): void {
    heard += 1;
    hasOthers = true;
    const news = decodeNews(payload);
    if (!news) tellAll();
    else for (const [subject, of] of news) tell(subject, of);
  }

  /** Whether anybody else listens; those who have just begun to say so themselves. */
  async function check(): Promise<void> {
    const before = heard;
    const found = await (connection ?? database.core).first<{ others: boolean }>(sql`
      select count(*) > ${connection ? 1 : 0} as others from pg_stat_activity
      where datname = current_database() and application_name = ${LISTEN_APPLICATION}`);
    // Who was heard of meanwhile came after the answer, even if that is read later.
    if (heard === before) hasOthers = found?.others ?? true;
  }

  /** Until the connection is lost. @throws what has lost it, or kept it from being made */
  async function listenOnce(): Promise<never> {
    const { promise: lost, reject } = Promise.withResolvers<never>();
    lost.catch(() => {});
    lose = reject;
    const opened = await database.listen({
      channel: CHANNEL,
      signal: listening.signal,
      onNotification,
      onLost: reject,
    });
    try {
      connection = opened;
      if (said !== undefined) log.info('news of other processes arrive again');
      said = undefined;
      // An empty one says that somebody is there to be told.
      await opened.first(sql`select pg_notify(${CHANNEL}, ${encodeNews(new Map())})`);
      tellAll();
      checking.begin();
      return await withSignal(lost, listening.signal);
    } finally {
      connection = undefined;
      opened.close();
      if (!listening.isStopping()) tellAll();
    }
  }

  /** Goes on also behind a pooler, where nobody listens here, but others may: they are told all the same. */
  const checking = createLoop(clock, {
    async work() {
      await check().catch((error: unknown) => lose(error));
      return CHECK_MS;
    },
    failed: () => CHECK_MS,
  });

  function isPooled(error: unknown): boolean {
    return isLoadstoneError(error) && error.code === 'database_unsupported';
  }

  const listening = createLoop(clock, {
    async work() {
      const beganMs = clock.monotonicMs();
      try {
        return await listenOnce();
      } catch (error) {
        if (listening.isStopping()) throw error;
        const reason = describeError(error);
        if (reason !== said)
          log.warn({ err: error }, 'news of other processes do not arrive; looking for them');
        said = reason;
        if (isPooled(error)) {
          checking.begin();
          return Number.POSITIVE_INFINITY;
        }
        // One that has lasted is followed by another soon.
        if (clock.monotonicMs() - beganMs > CHECK_MS) return backoffMs(RETRY, 1, random);
        throw error;
      }
    },
    failed: (_error, failures) => backoffMs(RETRY, failures, random),
  });

  const lifecycle = createLifecycle('wakeups', {
    async start() {
      hasOthers = listen;
      if (listen) listening.begin();
    },
    async stop() {
      await sender.end();
      await Promise.all([listening.stop(), checking.stop()]);
    },
  });
  return {
    ...lifecycle,
    on,
    notify(subject, news) {
      if (hasOthers && !listening.isStopping()) sender.add(subject, news);
    },
    isListening: () => connection !== undefined,
    lookMsMax,
  };
}
