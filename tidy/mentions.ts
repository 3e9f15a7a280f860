/**
 * A system is one directory: nothing outside of it knows its name but the list of definitions. Where its word stands all the
 * same, and why, by file; a directory (with `/` at its end) stands for the tests in it. A line that is not needed is a finding, as is a
 * mention without a line, or a system without an entry.
 */
export interface Mentions {
  system: string;
  /** Its word, in any case: a part of its name that stands for nothing else, where there is such a part. */
  word: string;
  files: Readonly<Record<string, string>>;
}

const FILE_SYSTEM = 'links of the file system';
const HTTP = 'the header Link of HTTP, and what it leads to';
const LINKED_LIST = 'a linked list';
const PAGE = 'what is followed on a page';

export const mentions: readonly Mentions[] = [
  {
    system: 'links',
    word: 'link',
    files: {
      'src/server/systems/list.ts': 'the list of definitions',
      'src/base/master-key.ts': FILE_SYSTEM,
      'src/blocks/backup/errors.ts': FILE_SYSTEM,
      'src/blocks/backup/repository/tree.ts': FILE_SYSTEM,
      'src/blocks/postgres/directory/directory-lock.ts': FILE_SYSTEM,
      'src/blocks/postgres/process/installation.ts': FILE_SYSTEM,
      'src/blocks/postgres/process/other-user.ts': FILE_SYSTEM,
      'src/blocks/postgres/process/postgres-server.ts': FILE_SYSTEM,
      'src/blocks/postgres/process/process-identity.ts': FILE_SYSTEM,
      'src/blocks/postgres/site-shape.ts': FILE_SYSTEM,
      'src/blocks/postgres/site.ts': FILE_SYSTEM,
      'src/drills/installation/processes.ts': FILE_SYSTEM,
      'src/blocks/cache/policies/fifo.ts': LINKED_LIST,
      'src/blocks/cache/policies/lfu.ts': LINKED_LIST,
      'src/blocks/cache/policies/lifo.ts': LINKED_LIST,
      'src/blocks/cache/policies/lru.ts': LINKED_LIST,
      'src/blocks/cache/policies/mru.ts': LINKED_LIST,
      'src/blocks/cache/policies/sieve.ts': LINKED_LIST,
      'src/blocks/cache/policies/slot-lists.ts': LINKED_LIST,
      'src/blocks/cache/policies/window-tiny-lfu.ts': LINKED_LIST,
      'src/blocks/backup/README.md': FILE_SYSTEM,
      'src/blocks/system/README.md': HTTP,
      'src/blocks/system/deprecation.ts': HTTP,
      'src/server/http/cors.ts': HTTP,
      'src/server/reference/responses.ts': HTTP,
      'src/server/pages/pages.ts': PAGE,
      'src/server/reference/markdown.ts': PAGE,
      'src/cli/upgrades/README.md': 'what the data of an older release holds',
      'src/base/': 'tests that mean links of the file system, or need some name of an option',
      'src/blocks/':
        'tests that mean links of the file system, or name their rows, events and queues as a system would',
      'src/cli/': 'tests of the program as it comes, with the system that comes with it',
      'src/drills/': 'tests of drills over the system that comes with the program',
      'src/server/': 'tests of a server with the system that comes with it',
    },
  },
];
