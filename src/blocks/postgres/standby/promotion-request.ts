/**
 * How a promotion is asked for, and how its outcome is learnt: by whoever has the data directory at hand, through
 * database.json. The owner of the Postgres servers carries it out; without one, its next start does.
 */
import { sleep } from '#base/clock';
import type { Runtime } from '#base/runtime';
import {
  changeDatabaseFile,
  type DatabaseFile,
  type DirectoryName,
  isWanted,
  type Promotion,
  readDatabaseFile,
} from '../directory/database-file.ts';
import { holderOf } from '../directory/directory-lock.ts';
import { embeddedErrors } from '../errors.ts';

export interface PromotionRequest {
  /** Which one; the first of them by default. */
  standby?: string;
  /** Kills the primary instead of asking it to hand over. */
  isForced: boolean;
}

export interface PromotionOutcome {
  /** `pending`: no owner runs (any more), and its next start will do it, or finish it. */
  kind: 'done' | 'pending';
  from: DirectoryName;
  primary: DirectoryName;
  term: number;
  /** Log that was lost; null if nobody can tell. */
  lostBytes: number | null;
}

const POLL_MS = 50;
/** An owner looks five times a second; one that has not begun by then hangs. */
const BEGIN_MS = 10_000;

function refuse(why: string): Error {
  return embeddedErrors.promotion_refused({ detail: why });
}

/**
 * What nobody is there to carry out gives way to what is asked for now, up to the point of no return: an owner that cannot
 * start the primary never hands over.
 * @throws promotion_refused
 */
function choose(file: DatabaseFile, standby: string | undefined, isOwned: boolean): DirectoryName {
  const { state } = file.promotion ?? {};
  if (state === 'decided' || (isOwned && isWanted(file))) {
    throw refuse(`a promotion of ${file.promotion?.standby} is under way already (${state})`);
  }
  if (standby === file.primary) throw refuse(`${standby} is the primary already, in term ${file.term}`);
  const chosen = file.standbys.find((name) => standby === undefined || name === standby);
  if (chosen) return chosen;
  throw refuse(
    file.standbys.length === 0
      ? `${file.primary} has no standby; database.standbys gives it one`
      : `${standby} is no standby; known is ${file.standbys.join(', ')}`,
  );
}

/**
 * Asks for a promotion, and waits until it is done.
 * @param signal ends the wait; what has begun by then is finished all the same
 * @throws promotion_refused with the reason, database_file_invalid, data_unwritable
 */
export async function askForPromotion(
  dataDirectory: string,
  request: PromotionRequest,
  deps: Pick<Runtime, 'clock' | 'random'> & { signal: AbortSignal },
): Promise<PromotionOutcome> {
  const id = deps.random.bytes(9).toString('hex');
  const asked = await changeDatabaseFile(dataDirectory, deps, (now) => {
    const standby = choose(now, request.standby, holderOf(dataDirectory) !== undefined);
    return {
      ...now,
      promotion: { id, from: now.primary, standby, isForced: request.isForced, state: 'asked' },
    };
  });
  const outcome = (file: DatabaseFile, kind: PromotionOutcome['kind']): PromotionOutcome => ({
    kind,
    from: asked.primary,
    primary: file.promotion?.standby ?? file.primary,
    term: file.term,
    lostBytes: file.promotion?.lostBytes ?? null,
  });
  if (holderOf(dataDirectory) === undefined) return outcome(asked, 'pending');
  const file = await settled(dataDirectory, id, deps);
  return outcome(file, file.promotion?.state === 'done' ? 'done' : 'pending');
}

/** The file once the promotion is done, or has been begun and lost its owner. */
async function settled(
  dataDirectory: string,
  id: string,
  deps: Pick<Runtime, 'clock' | 'random'> & { signal: AbortSignal },
): Promise<DatabaseFile> {
  const beganMs = deps.clock.monotonicMs();
  for (;;) {
    const file = readDatabaseFile(dataDirectory);
    const found = file.promotion;
    if (found?.id !== id) throw refuse('database.json has been changed by somebody else');
    if (found.state === 'done') return file;
    if (found.state === 'refused') throw refuse(found.reason ?? 'the server gave no reason');
    if (found.state !== 'asked' && holderOf(dataDirectory) === undefined) return file;
    if (found.state === 'asked' && deps.clock.monotonicMs() - beganMs > BEGIN_MS) {
      const holder = holderOf(dataDirectory);
      const why =
        holder === undefined
          ? 'the server that runs Postgres has ended; ask again, and its next start will do it'
          : `the server that runs Postgres (pid ${holder}) does not answer; end it (kill -9 ${holder}), and ask again`;
      if (await withdraw(dataDirectory, id, why, deps)) throw refuse(why);
    }
    await sleep(deps.clock, POLL_MS, deps.signal);
  }
}

/** Takes back what nobody has begun. @returns false if somebody has, meanwhile */
async function withdraw(
  dataDirectory: string,
  id: string,
  reason: string,
  deps: Pick<Runtime, 'clock' | 'random'>,
): Promise<boolean> {
  const isMine = (promotion: Promotion | undefined) => promotion?.id === id && promotion.state === 'asked';
  let withdrawn = false;
  await changeDatabaseFile(dataDirectory, deps, (now) => {
    if (!now.promotion || !isMine(now.promotion)) return undefined;
    withdrawn = true;
    return { ...now, promotion: { ...now.promotion, state: 'refused', reason } };
  });
  return withdrawn;
}
