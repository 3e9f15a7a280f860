/**
 * What can become of a link once it is there, as it is asked for. The rule is in changes.ts.
 */
import { isLoadstoneError } from '#base/errors';
import { parseId } from '#blocks/ids';
import type { SetRule } from '#blocks/mutation';
import type { JobContext, Preconditions } from '#blocks/system';
import type { RedirectStatus } from './fields/redirect-status.ts';
import type { FoundLinks, StoredLink } from './store.ts';

export interface LinkPatch {
  url?: string;
  ttl?: number;
  expiresAt?: string | null;
  redirectStatus?: RedirectStatus;
}

export type Edit =
  | { kind: 'change'; fields: LinkPatch; preconditions: Preconditions }
  | { kind: 'delete'; preconditions: Preconditions }
  /** Its time has come, if it still has this expiry. */
  | { kind: 'expire'; expiresAt: Date };

export interface LinkEdit {
  linkId: string;
  edit: Edit;
}

export interface Edited {
  link: StoredLink;
  /** False for an expiry that the link has not any more, that has been told of, or that is still to come. */
  isChanged: boolean;
}

export type Editing = SetRule<LinkEdit, Edited, FoundLinks>;

/** Marks a link whose time has come, if it still has this expiry, and tells of it; gives whether it did. */
export async function expireLink(
  { mutateInSet }: Pick<JobContext, 'mutateInSet'>,
  editing: Editing,
  { linkId, expiresAt, ...of }: { linkId: string; expiresAt: Date; workspaceId?: string },
): Promise<boolean> {
  const place = { ...of, bucket: parseId(linkId).bucket };
  try {
    const { isChanged } = await mutateInSet(place, editing, { linkId, edit: { kind: 'expire', expiresAt } });
    return isChanged;
  } catch (error) {
    // It was deleted meanwhile.
    if (isLoadstoneError(error) && error.code === 'link_not_found') return false;
    throw error;
  }
}
