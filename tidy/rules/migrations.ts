/**
 * Migrations of a room are numbered without holes, and a system's tables stand alone: no key and no query crosses
 * into another system's schema, so that each can move to a database of its own.
 */
import { posix } from 'node:path';
import { type Room, roomNames, roomOf } from '../rooms.ts';
import type { Finding, Rule } from '../rule.ts';
import { type SqlText, sqlTexts } from '../sql-text.ts';
import type { SourceFile, Tree } from '../tree.ts';

const NAME = /^(\d{4})_[a-z0-9_]+\.sql$/;

function numbering(tree: Tree): Finding[] {
  const migrations = tree.files.filter(({ path }) => /(^|\/)migrations\/[^/]+\.sql$/.test(path));
  const findings: Finding[] = [];
  for (const [directory, files] of Map.groupBy(migrations, ({ path }) => posix.dirname(path))) {
    const add = (file: SourceFile, message: string) => findings.push({ file: file.path, line: 1, message });
    const numbered = files.flatMap((file) => {
      const match = NAME.exec(posix.basename(file.path));
      if (!match) add(file, 'a migration is named 0001_what_it_does.sql');
      return match ? [{ file, number: Number(match[1]) }] : [];
    });
    for (const [index, { file, number }] of numbered.entries()) {
      const previous = numbered[index - 1]?.number ?? 0;
      if (number === previous) add(file, `number ${number} is taken twice in ${directory}`);
      else if (number !== previous + 1) add(file, `number ${number} follows ${previous} in ${directory}`);
    }
  }
  return findings;
}

/** A system's schema has its name; blocks keep their tables with the server's own. */
function ownSchema(room: Room): string {
  return room.layer === 'systems' ? room.name : 'core';
}

interface Mention {
  schema: string;
  word: string;
  line: number;
}

/** `references x.`, `join x.` and their like. */
function mentions({ file, text, start }: SqlText): Mention[] {
  const found = text.matchAll(
    /\b(references|join|from|into|update|using)\s+(?:only\s+)?"?(\w+)"?\s*\.\s*"?\w+/gi,
  );
  return [...found].map((match) => ({
    word: match[1]?.toLowerCase() ?? '',
    schema: match[2]?.toLowerCase() ?? '',
    line: file.lineAt(start + match.index),
  }));
}

function crossings(tree: Tree): Finding[] {
  const systems = roomNames(
    tree.files.map((file) => file.path),
    'systems',
  );
  return sqlTexts(tree).flatMap((sql) => {
    const room = roomOf(sql.file.path);
    if (room === undefined || room.layer === 'around') return [];
    const own = ownSchema(room);
    return mentions(sql)
      .filter(({ word, schema }) => schema !== own && (word === 'references' || systems.includes(schema)))
      .map(({ word, schema, line }) => ({
        file: sql.file.path,
        line,
        message: `"${word} ${schema}." leaves the schema of ${room.path}`,
      }));
  });
}

export const migrations: Rule = {
  name: 'migrations',
  find: (tree) => [...numbering(tree), ...crossings(tree)],
};
