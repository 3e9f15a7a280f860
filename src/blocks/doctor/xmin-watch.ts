/**
 * Watches what holds back vacuum, and names it in the log before queues suffer. It ends nobody's session.
 *
 * States:  waiting ──everyMs──▶ looking ──answer or failure──▶ waiting          stopped (from any)
 */
import { withSignal } from '#base/deadline';
import { createLifecycle, type Lifecycle } from '#base/lifecycle';
import { createLoop } from '#base/loop';
import type { Metrics } from '#base/metrics';
import type { Runtime } from '#base/runtime';
import type { Queryable } from '#blocks/database';
import { createAnnouncements } from './announcements.ts';
import { concernsUs, diagnoseHolders, overLimit } from './diagnose-holders.ts';
import type { Finding } from './finding.ts';
import { createHoldAges } from './hold-ages.ts';
import { describeAge, describeHolder, holderKey, readHolders, type XminHolder } from './holders.ts';
import { emitXminMetrics } from './metrics.ts';
import type { XminWatchOptions } from './options.ts';

/** What the last look that was answered has seen. */
export interface XminLook {
  /** Wall-clock time; undefined before the first answer. */
  atMs: number | undefined;
  isOverLimit: boolean;
  /** The oldest first. */
  holders: readonly XminHolder[];
  findings: readonly Finding[];
}

export interface XminWatch extends Lifecycle {
  look(): XminLook;
}

export interface XminWatchDeps extends Pick<Runtime, 'clock' | 'log'> {
  metrics: Metrics;
  /** Asked as `loadstone_system`. */
  core: Queryable;
}

/**
 * Looks by itself from start to stop, at once and then every `everyMs`. Its health stays ok: a held-back vacuum is a
 * warning, and taking the process out of service would not end it.
 */
export function createXminWatch(options: XminWatchOptions, deps: XminWatchDeps): XminWatch {
  const { clock, log, core } = deps;
  const ages = createHoldAges(clock);
  const announcements = createAnnouncements(options);
  let seen: XminLook = { atMs: undefined, isOverLimit: false, holders: [], findings: [] };
  let lastOwner: XminHolder | undefined;
  let failed = 0;

  const most = (measure: (holder: XminHolder) => number) =>
    Math.max(0, ...seen.holders.filter(concernsUs).map(measure));
  emitXminMetrics(deps.metrics, {
    ageMs: () => most(({ ageMs = 0 }) => ageMs),
    ageTransactions: () => most(({ ageTransactions }) => ageTransactions),
    isOverLimit: () => seen.isOverLimit,
    failures: () => failed,
  });

  const loop = createLoop(clock, {
    async work() {
      const read = readHolders(core, options.queryLengthMax);
      const holders = ages.correct(await withSignal(read, loop.signal));
      const [owner] = overLimit(holders, options);
      const findings = diagnoseHolders(holders, options);
      seen = { atMs: clock.nowMs(), isOverLimit: owner !== undefined, holders, findings };
      announce(owner);
      return options.everyMs;
    },
    failed(error, failures) {
      failed += 1;
      if (failures === 1) log.warn({ err: error }, 'what holds back vacuum could not be seen');
      return options.everyMs;
    },
  });

  function announce(owner: XminHolder | undefined): void {
    const said = announcements.next(owner && holderKey(owner), clock.monotonicMs());
    if (owner) {
      lastOwner = owner;
      const heldMs = said?.kind === 'lasts' ? { heldMs: Math.round(said.heldMs) } : {};
      if (said)
        log.warn(
          { holder: owner, ...heldMs },
          `${describeHolder(owner)} holds back vacuum ${describeAge(owner)}`,
        );
    } else if (said?.kind === 'ends') {
      const holder = lastOwner && { kind: lastOwner.kind, name: holderKey(lastOwner) };
      log.info({ holder, heldMs: Math.round(said.heldMs) }, 'vacuum is no longer held back');
    }
  }

  const lifecycle = createLifecycle('xmin watch', {
    async start() {
      loop.begin();
    },
    stop: loop.stop,
  });
  return { ...lifecycle, look: () => seen };
}
