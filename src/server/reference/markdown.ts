/**
 * The little of Markdown that descriptions are written in, as HTML: paragraphs, lists, fenced code, code, bold, emphasis
 * and links. Everything is escaped first, so that a description can bring in no element of its own; a link leads
 * to http, https or this server, and is else left as it was written.
 *
 * Our own, because a Markdown library is made to let HTML through, and needs a second one that takes it out again.
 */
import { escapeHtml } from '../pages/html.ts';

const FENCE = /^```/;
const ITEM = /^\s*(?:[-*]|\d+\.)\s+/;
const ORDERED = /^\s*\d+\.\s/;
const TARGET = /^(?:https?:\/\/|\/(?!\/)|#)/;

/** Of text without code and links. */
function emphasised(text: string): string {
  return escapeHtml(text)
    .replaceAll(/\*\*(?=\S)([^*]+?)\*\*/g, '<strong>$1</strong>')
    .replaceAll(/(?<![\w*])\*(?=\S)([^*]+?)\*(?![\w*])/g, '<em>$1</em>');
}

/** Code before links, and links before emphasis: what is inside of one means nothing to the next. */
const PART = /(`+[^`]+`+|\[[^\][`]+\]\([^()\s]+\))/;

function renderPart(part: string): string {
  const code = /^(`+)([^`]+)\1$/.exec(part)?.[2];
  if (code !== undefined) return `<code>${escapeHtml(code.trim())}</code>`;
  const [, label, target] = /^\[([^\][]+)\]\(([^()\s]+)\)$/.exec(part) ?? [];
  if (label === undefined || target === undefined || !TARGET.test(target)) return emphasised(part);
  return `<a href="${escapeHtml(target)}">${emphasised(label)}</a>`;
}

/** One line or paragraph. */
export function renderInline(text: string): string {
  return text.split(PART).map(renderPart).join('');
}

function renderBlock(lines: readonly string[]): string {
  const [first = ''] = lines;
  if (FENCE.test(first)) return `<pre>${escapeHtml(lines.slice(1).join('\n'))}</pre>`;
  if (!ITEM.test(first)) return `<p>${renderInline(lines.join(' '))}</p>`;
  const items: string[] = [];
  for (const line of lines) {
    if (ITEM.test(line)) items.push(line.replace(ITEM, ''));
    else items.push(`${items.pop() ?? ''} ${line.trim()}`);
  }
  const tag = ORDERED.test(first) ? 'ol' : 'ul';
  return `<${tag}>${items.map((item) => `<li>${renderInline(item)}</li>`).join('')}</${tag}>`;
}

/** Blocks end at an empty line, and begin with a fence or with the first item of a list. */
function blocksOf(text: string): string[][] {
  const blocks: string[][] = [];
  let block: string[] = [];
  let isFenced = false;
  const end = () => {
    if (block.length > 0) blocks.push(block);
    block = [];
  };
  for (const line of text.replaceAll('\r\n', '\n').split('\n')) {
    if (isFenced && FENCE.test(line)) {
      isFenced = false;
      end();
    } else if (isFenced) {
      block.push(line);
    } else if (FENCE.test(line)) {
      end();
      block.push(line);
      isFenced = true;
    } else if (line.trim() === '') {
      end();
    } else {
      if (ITEM.test(line) && block.length > 0 && !ITEM.test(block[0] ?? '')) end();
      block.push(line);
    }
  }
  end();
  return blocks;
}

export function renderMarkdown(text: string): string {
  return blocksOf(text).map(renderBlock).join('\n');
}
