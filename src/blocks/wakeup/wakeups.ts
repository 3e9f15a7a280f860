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
import { type Clock, sleep, type Timer } from '#base/clock';
import { describeError, isLoadstoneError } from '#base/errors';
import { createLifecycle, type Lifecycle } from '#base/lifecycle';
import type { Log } from '#base/log';
import type { Random } from '#base/random';
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

export interface WakeupsDeps {
  clock: Clock;
  random: Random;
  log: Log;
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
  let timer: Timer | undefined;
  let sending: Promise<void> | undefined;
  let sentMs = Number.NEGATIVE_INFINITY;

  function flush(): void {
    timer = undefined;
    if (sending || waiting.size === 0) return;
    const payload = encodeNews(waiting);
    waiting = new Map();
    sentMs = clock.monotonicMs();
    sending = send(payload).finally(() => {
      sending = undefined;
      plan();
    });
  }

  function plan(): void {
    if (timer || sending || waiting.size === 0) return;
    const waitMs = sentMs + GATHER_MS - clock.monotonicMs();
    if (waitMs <= 0) flush();
    else timer = clock.after(waitMs, flush, 'background');
  }

  return {
    add(subject: Subject, news: News): void {
      const before = waiting.get(subject);
      const isUnknown = news === undefined || (waiting.has(subject) && before === undefined);
      waiting.set(subject, isUnknown ? undefined : new Map([...(before ?? []), ...news]));
      plan();
    },
    /** Sends the rest at once. */
    async end(): Promise<void> {
      timer?.cancel();
      await sending;
      timer?.cancel();
      flush();
      await sending;
    },
  };
}

/** Its start does not wait for the connection, and does not fail: without it everybody looks. */
export function createWakeups({ listen, lookMsMax }: WakeupOptions, deps: WakeupsDeps): Wakeups {
  const { clock, random, log, database } = deps;
  const closing = new AbortController();
  const { on, tell, tellAll } = createListeners();
  let connection: ListenConnection | undefined;
  let running = Promise.resolve();
  let hasOthers = false;
  let heard = 0;
  let said: string | undefined;

  const sender = createSender(clock, async (payload) => {
    try {
      const query = sql`select pg_notify(${CHANNEL}, ${payload})`;
      await (connection ?? database.core).first(query);
    } catch (error) {
      if (!closing.signal.aborted)
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
  async function listenOnce(): Promise<void> {
    const { promise: lost, reject } = Promise.withResolvers<never>();
    lost.catch(() => {});
    const opened = await database.listen({
      channel: CHANNEL,
      signal: closing.signal,
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
      while (!closing.signal.aborted) {
        await check();
        await Promise.race([lost, sleep(clock, CHECK_MS, closing.signal)]);
      }
    } finally {
      connection = undefined;
      opened.close();
      if (!closing.signal.aborted) tellAll();
    }
  }

  /** Behind a pooler nobody listens here, but others may: they are told all the same. */
  async function stayDeaf(): Promise<void> {
    while (!closing.signal.aborted) {
      await check().catch(() => {});
      await sleep(clock, CHECK_MS, closing.signal).catch(() => {});
    }
  }

  function isPooled(error: unknown): boolean {
    return isLoadstoneError(error) && error.code === 'database_unsupported';
  }

  async function run(): Promise<void> {
    for (let failures = 1; !closing.signal.aborted; failures += 1) {
      const beganMs = clock.monotonicMs();
      try {
        await listenOnce();
      } catch (error) {
        if (closing.signal.aborted) return;
        const reason = describeError(error);
        if (reason !== said)
          log.warn({ err: error }, 'news of other processes do not arrive; looking for them');
        said = reason;
        if (isPooled(error)) return stayDeaf();
        if (clock.monotonicMs() - beganMs > CHECK_MS) failures = 1;
        await sleep(clock, backoffMs(RETRY, failures, random), closing.signal).catch(() => {});
      }
    }
  }

  const lifecycle = createLifecycle('wakeups', {
    async start() {
      hasOthers = listen;
      if (listen) running = run();
    },
    async stop() {
      await sender.end();
      closing.abort(new Error('wakeups are being stopped'));
      await running;
    },
  });
  return {
    ...lifecycle,
    on,
    notify(subject, news) {
      if (hasOthers && !closing.signal.aborted) sender.add(subject, news);
    },
    isListening: () => connection !== undefined,
    lookMsMax,
  };
}
