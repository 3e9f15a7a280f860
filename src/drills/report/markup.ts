/**
 * Markup in which text cannot be anything but text: whatever is put into the `markup` tag is escaped, unless it is markup
 * itself.
 */
import { plain } from './text.ts';

/** Made by `markup` alone. */
export interface Markup {
  readonly source: string;
}

type Part = string | number | Markup | readonly Markup[];

const REFERENCES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Fit for the text of an element, and for an attribute in quotes. */
function escapeText(text: string): string {
  return plain(text).replaceAll(/[&<>"']/g, (letter) => REFERENCES[letter] ?? '');
}

function render(part: Part): string {
  if (typeof part === 'string') return escapeText(part);
  if (typeof part === 'number') return String(part);
  return 'source' in part ? part.source : part.map(({ source }) => source).join('');
}

/** HTML or SVG. Attributes have to be in quotes. */
export function markup(strings: TemplateStringsArray, ...parts: Part[]): Markup {
  const source = strings.reduce((text, string, at) => text + render(parts[at - 1] ?? '') + string);
  return { source };
}

export const NOTHING: Markup = { source: '' };
