import { defineErrors, isLoadstoneError, type LoadstoneError } from '#base/errors';

export const journalErrors = defineErrors('journal', {
  journal_full: {
    status: 503,
    title: 'There is no room to record this at the moment',
    retryable: true,
    doc: 'The disk of the journal is full, or `bytesMax` of records wait for the database. The record was not kept. It ends by itself when space returns or the database has taken what waits; retry after the time in `Retry-After`.',
  },
  journal_failed: {
    status: 503,
    title: 'This could not be recorded at the moment',
    retryable: true,
    doc: 'Writing or syncing the file of a journal failed for another reason than a full disk; the log line has it. The record was not kept. The journal goes on in a new file by itself; retry after the time in `Retry-After`.',
  },
  journal_record_too_large: {
    status: 413,
    title: 'The record is too large',
    doc: 'A record of a journal may have at most `recordBytesMax` bytes. It was not kept.',
  },
  journal_shipped_elsewhere: {
    status: 503,
    title: 'A journal was shipped by another process too',
    retryable: true,
    doc: 'The database says that a journal has been shipped to another place than this process believes. What this process was about to write was undone; it reads the place again and goes on from there.',
  },
  journal_unusable: {
    status: 500,
    title: 'The directory of the journal cannot be used',
    doc: 'The journal’s directory in the data directory cannot be made, read or written; the line has the reason. The server does not start.',
  },
});

const FULL_CODES = new Set(['ENOSPC', 'EDQUOT']);
/** What a client that was refused should wait: the journal itself tries several times in that time. */
const RETRY_AFTER_S = 1;

/** The coded error for a failed write or sync. */
export function toWriteError(cause: unknown): LoadstoneError {
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  return FULL_CODES.has(code)
    ? journalErrors.journal_full({ detail: 'the disk is full', retryAfterS: RETRY_AFTER_S, cause })
    : journalErrors.journal_failed({ retryAfterS: RETRY_AFTER_S, cause });
}

export function tooMuchWaits(bytesMax: number): LoadstoneError {
  return journalErrors.journal_full({
    detail: `${bytesMax} bytes of records wait to be shipped, and more are not allowed`,
    retryAfterS: RETRY_AFTER_S,
  });
}

export function tooLarge(bytes: number, bytesMax: number): LoadstoneError {
  return journalErrors.journal_record_too_large({
    detail: `the record has ${bytes} bytes; ${bytesMax} are allowed`,
  });
}

/** The coded error for a directory that cannot be used at start. */
export function toStartError(directory: string, cause: unknown): unknown {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === undefined || isLoadstoneError(cause)) return cause;
  return journalErrors.journal_unusable({ detail: `${directory}: ${code}`, cause });
}
