/**
 * The little of Markdown that the rules read: tables, links and headings.
 */

export interface TableRow {
  cells: string[];
  line: number;
}

function cellsOf(line: string): string[] {
  const inner = line.trim().replace(/^\|/, '').replace(/\|$/, '');
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim());
}

/** The rows of every table, headers included, separators not. */
export function tableRows(text: string): TableRow[] {
  return text.split('\n').flatMap((line, index) => {
    if (!line.startsWith('|') || /^[|\s:-]+$/.test(line)) return [];
    return [{ cells: cellsOf(line), line: index + 1 }];
  });
}

/** Blanks out fenced blocks and code spans, so that offsets stay. */
export function withoutCode(text: string): string {
  return text.replaceAll(/^[ \t]*(```|~~~)[\s\S]*?^[ \t]*\1[^\n]*$|(`+)[^`][\s\S]*?\2/gm, (code) =>
    code.replaceAll(/[^\n]/g, ' '),
  );
}

/** Where links and images lead to, with the offset of each. */
export function links(text: string): { target: string; offset: number }[] {
  const bare = withoutCode(text);
  const inline = bare.matchAll(/\]\(\s*<?([^)\s>]+)>?[^)]*\)/g);
  const references = bare.matchAll(/^\s*\[[^\]]+\]:\s*<?(\S+?)>?\s*$/gm);
  return [...inline, ...references].map((match) => ({ target: match[1] ?? '', offset: match.index }));
}

/** The anchors that a renderer gives to the headings. */
export function anchors(text: string): Set<string> {
  const found = new Set<string>();
  const withoutFences = text.replaceAll(/^[ \t]*(```|~~~)[\s\S]*?^[ \t]*\1[^\n]*$/gm, '');
  for (const [, heading = ''] of withoutFences.matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)) {
    const slug = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(/\s/g, '-');
    let anchor = slug;
    for (let copy = 1; found.has(anchor); copy++) anchor = `${slug}-${copy}`;
    found.add(anchor);
  }
  return found;
}
