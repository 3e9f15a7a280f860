/**
 * The rules of links: what a valid link is, who wins a code, which version a change applies to.
 */
import type { Clock } from '#base/clock';
import { toTime } from '#base/values/time';
import { isId, parseId } from '#blocks/ids';
import type { Settling } from '#blocks/mutation';
import type { CallContext, Page, PageQuery, Preconditions, Reply } from '#blocks/system';
import type { Link } from './api.ts';
import { createEditing } from './changes.ts';
import { createCreation, type LinkInput } from './creation.ts';
import type { Edit, Edited, Editing, LinkPatch } from './edit.ts';
import { linksErrors } from './errors.ts';
import { type OwnHosts, parseDestination } from './fields/destination.ts';
import { parseExpiry } from './fields/expiry.ts';
import type { RedirectStatus } from './fields/redirect-status.ts';
import { type LinkChange, type LinksStore, type NewLink, newestFirst, type StoredLink } from './store.ts';

/** A link with the version that its `ETag` states. */
export interface VersionedLink {
  link: Link;
  version: number;
}

/** Who calls, and the caller's way to read. */
export type ReadingCall = Pick<CallContext, 'principal' | 'reader'>;

/** Who calls, and the caller's way to write. */
export type MutatingCall = Pick<CallContext, 'principal' | 'mutateInSet'>;

type ToReply = (link: VersionedLink) => Reply;

export interface Links {
  create(call: MutatingCall, input: LinkInput, toReply: ToReply): Promise<Reply>;
  read(call: ReadingCall, id: string): Promise<VersionedLink>;
  list(call: ReadingCall, query: PageQuery): Promise<Page<Link>>;
  change(
    call: MutatingCall,
    id: string,
    patch: { fields: LinkPatch; preconditions: Preconditions },
    toReply: ToReply,
  ): Promise<Reply>;
  remove(call: MutatingCall, id: string, preconditions: Preconditions, reply: Reply): Promise<Reply>;
  /** The rule of all edits, for jobs: they mark links whose time has come. */
  editing: Editing;
}

export interface LinksDeps {
  clock: Clock;
  store: LinksStore;
  nextId: (bucket: number) => string;
  nextCode: () => Promise<string>;
  own: OwnHosts;
  publicUrl: string;
  /** Called after a code's redirect has changed. */
  changed: (code: string) => void;
}

const DEFAULT_REDIRECT_STATUS: RedirectStatus = 302;

export function createLinks(deps: LinksDeps): Links {
  const { clock, store, own, publicUrl } = deps;

  function present(stored: StoredLink): VersionedLink {
    const link: Link = {
      id: stored.linkId,
      code: stored.code,
      shortUrl: `${publicUrl}/${stored.code}`,
      url: stored.url,
      redirectStatus: stored.redirectStatus,
      expiresAt: toTime(stored.expiresAt),
      createdAt: toTime(stored.createdAt),
      updatedAt: toTime(stored.updatedAt),
    };
    return { link, version: stored.version };
  }

  function parseInput(input: LinkInput): Omit<NewLink, 'code'> {
    const nowMs = clock.nowMs();
    return {
      url: parseDestination(input.url, own),
      redirectStatus: input.redirectStatus ?? DEFAULT_REDIRECT_STATUS,
      expiresAtMs: parseExpiry(input, nowMs),
      nowMs,
    };
  }

  function parsePatch(patch: LinkPatch, nowMs: number): LinkChange {
    const change: LinkChange = {};
    if (patch.url !== undefined) change.url = parseDestination(patch.url, own);
    if (patch.redirectStatus !== undefined) change.redirectStatus = patch.redirectStatus;
    if (patch.expiresAt === null && patch.ttl === undefined) change.expiresAtMs = null;
    else if (patch.expiresAt !== undefined || patch.ttl !== undefined)
      change.expiresAtMs = parseExpiry(patch, nowMs);
    return change;
  }

  const creation = createCreation({ ...deps, parseInput });
  const editing = createEditing({ store, nowMs: clock.nowMs, parsePatch });

  /** The redirect of an edited link, or of one that may be edited, is not answered from memory any more. */
  const forgetting: Settling<Edited, string> = {
    changeOf: ({ link }) => link.code,
    onSettled(settled) {
      if (settled.kind !== 'refused' && settled.change !== undefined) deps.changed(settled.change);
    },
  };

  function edit(
    { mutateInSet }: MutatingCall,
    id: string,
    asked: Edit,
    toReply: (edited: Edited) => Reply,
  ): Promise<Reply> {
    const linkId = requireId(id);
    return mutateInSet(
      { bucket: parseId(linkId).bucket },
      editing,
      { linkId, edit: asked },
      toReply,
      forgetting,
    );
  }

  function requireId(id: string): string {
    if (!isId(id)) throw linksErrors.link_not_found({ detail: 'no link has this id' });
    return id;
  }

  return {
    async create({ principal, mutateInSet }, input, toReply) {
      const code = input.alias ?? (await deps.nextCode());
      const asked = { input, code, createdBy: principal.keyId };
      return mutateInSet({ shardKey: code }, creation, asked, (stored) => toReply(present(stored)));
    },

    async read({ principal, reader }, id) {
      const stored = await store.find(reader(), principal, requireId(id));
      if (!stored) throw linksErrors.link_not_found({ detail: `no link has the id ${id}` });
      return present(stored);
    },

    list({ principal, reader }, query) {
      return newestFirst.page(
        query,
        (keyset) => store.list(reader(), principal, keyset),
        (row) => present(row).link,
      );
    },

    async change(call, id, { fields, preconditions }, toReply) {
      return edit(call, id, { kind: 'change', fields, preconditions }, ({ link }) => toReply(present(link)));
    },

    async remove(call, id, preconditions, reply) {
      return edit(call, id, { kind: 'delete', preconditions }, () => reply);
    },

    editing,
  };
}
