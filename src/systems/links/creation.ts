/**
 * How links are made: a rule over many calls. A code belongs to whoever writes it first; an alias that is taken refuses its
 * call, a generated code that is taken (by an alias, or as a reserved word) is replaced by the next.
 */

import { fieldError, isLoadstoneError, type LoadstoneError } from '#base/errors';
import { done, refuse, type SetCall, type SetRule, type SetTx, type Verdict } from '#blocks/mutation';
import { linksErrors } from './errors.ts';
import { linkCreated, linkEvent } from './events.ts';
import { isReserved, parseAlias } from './fields/alias.ts';
import type { RedirectStatus } from './fields/redirect-status.ts';
import { expiryJob } from './jobs.ts';
import type { LinksStore, NewLink, PlacedLink, StoredLink } from './store.ts';

/** What is asked for, with the code that the call was placed by. */
export interface Creation {
  input: LinkInput;
  code: string;
  createdBy: string;
}

export interface CreationDeps {
  store: Pick<LinksStore, 'claimCodes' | 'insertEach'>;
  nextId: (bucket: number) => string;
  nextCode: () => Promise<string>;
  /** @throws destination_invalid, expiry_invalid, … */
  parseInput: (input: LinkInput) => Omit<NewLink, 'code'>;
}

/** Ten in a row mean a defect. */
const CODE_TRIES_MAX = 10;

type Drafted =
  | { kind: 'draft'; link: PlacedLink; isAlias: boolean }
  | { kind: 'refused'; error: LoadstoneError };

export function createCreation({
  store,
  nextId,
  nextCode,
  parseInput,
}: CreationDeps): SetRule<Creation, StoredLink> {
  function draft({ input: { input, code, createdBy }, workspaceId, bucket }: SetCall<Creation>): Drafted {
    try {
      const { alias } = input;
      const parsed = parseInput(input);
      const link = {
        ...{ ...parsed, code: alias === undefined ? code : parseAlias(alias) },
        ...{ workspaceId, bucket, createdBy, linkId: nextId(bucket) },
      };
      return { kind: 'draft', link, isAlias: alias !== undefined };
    } catch (error) {
      if (!isLoadstoneError(error)) throw error;
      return { kind: 'refused', error };
    }
  }

  /** Gives each link its code, or says that it has none. @returns the ids of those that have */
  async function claim(tx: SetTx, drafts: readonly Drafted[]): Promise<Set<string>> {
    const claimed = new Set<string>();
    let open = drafts.flatMap((each) => (each.kind === 'draft' ? [each] : []));
    for (let tries = 1; open.length > 0 && tries <= CODE_TRIES_MAX; tries++) {
      for (const { link, isAlias } of open) {
        if (!isAlias && (tries > 1 || isReserved(link.code))) link.code = await nextCode();
      }
      const wanted = open.map(({ link }) => link).filter(({ code }) => !isReserved(code));
      for (const linkId of await store.claimCodes(tx, wanted)) claimed.add(linkId);
      open = open.filter(({ link, isAlias }) => !isAlias && !claimed.has(link.linkId));
    }
    return claimed;
  }

  function refuseCode(drafted: Drafted & { kind: 'draft' }): Verdict<never> {
    const { code } = drafted.link;
    if (!drafted.isAlias)
      return refuse(linksErrors.codes_exhausted({ detail: `${CODE_TRIES_MAX} codes in a row were taken` }));
    return refuse(fieldError(linksErrors.alias_taken, '/alias', `${code} is taken`));
  }

  return {
    name: 'links.create',
    async decide(tx, calls) {
      const drafts = calls.map(draft);
      const claimed = await claim(tx, drafts);
      const made = drafts.flatMap((each) =>
        each.kind === 'draft' && claimed.has(each.link.linkId) ? [each.link] : [],
      );
      if (made.length > 0) tx.withCommit(store.insertEach(tx, made));
      return drafts.map((each, at) => {
        if (each.kind === 'refused') return refuse(each.error);
        if (!claimed.has(each.link.linkId)) return refuseCode(each);
        const call = calls[at] as SetCall<Creation>;
        const stored = storedOf(each.link);
        call.publish(linkEvent(linkCreated, stored, { was: null, is: 'live' }));
        const job = expiryJob(stored, 'reject');
        if (job) call.enqueue(job);
        return done(stored);
      });
    },
  };
}

function storedOf({ linkId, code, url, redirectStatus, expiresAtMs, nowMs }: PlacedLink): StoredLink {
  const now = new Date(nowMs);
  return {
    ...{ linkId, code, url, redirectStatus, version: 1, createdAt: now, updatedAt: now },
    expiresAt: expiresAtMs === null ? null : new Date(expiresAtMs),
  };
}

export interface LinkInput {
  url: string;
  alias?: string;
  ttl?: number;
  expiresAt?: string;
  redirectStatus?: RedirectStatus;
}
