/**
 * Whether a person or a program asks, by `Accept` (RFC 9110, 12.5.1).
 */

interface Range {
  type: string;
  q: number;
}

/** How a range applies to the media types that are given out: 3 names it, 2 its type, 1 is for all. */
const HTML: Readonly<Record<string, number>> = { 'text/html': 3, 'text/*': 2, '*/*': 1 };
const JSON_TYPES: readonly Readonly<Record<string, number>>[] = [
  { 'application/problem+json': 3, 'application/*': 2, '*/*': 1 },
  { 'application/json': 3, 'application/*': 2, '*/*': 1 },
];
const Q = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/i;

/** Split where no quotes are open, by one pass: a pattern for it would take quadratic time on many quotes. */
function split(text: string, separator: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (isQuoted && character === '\\') at++;
    else if (character === '"') isQuoted = !isQuoted;
    else if (character === separator && !isQuoted) {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  parts.push(text.slice(start));
  return parts.map((part) => part.trim());
}

/** A weight that is none counts as nothing said. */
function parseRange(text: string): Range {
  const [type = '', ...parameters] = split(text, ';');
  const weight = parameters.map((each) => Q.exec(each)?.[1]).find((each) => each !== undefined);
  return { type: type.toLowerCase(), q: weight === undefined ? 1 : Number(weight) };
}

/** The weight of a media type, by the range that says most of it. */
function weightOf(ranges: readonly Range[], precision: Readonly<Record<string, number>>) {
  let [best, q] = [0, 0];
  for (const range of ranges) {
    const said = Object.hasOwn(precision, range.type) ? (precision[range.type] ?? 0) : 0;
    if (said > best) [best, q] = [said, range.q];
  }
  return { q, precision: best };
}

/**
 * Whether HTML is wanted more than JSON. Browsers name it and leave the rest to the wildcard with a lower weight. Where both
 * weigh the same, HTML is given if it is named and JSON is not; what says nothing, or takes anything, is a program.
 */
export function prefersHtml(accept: string | undefined): boolean {
  // What does not speak of text at all needs no more than this look, however many there are.
  if (accept === undefined || !/\btext\//i.test(accept)) return false;
  const ranges = split(accept, ',').map(parseRange);
  const html = weightOf(ranges, HTML);
  const json = JSON_TYPES.map((precision) => weightOf(ranges, precision)).reduce((a, b) =>
    b.q > a.q ? b : a,
  );
  if (html.q !== json.q) return html.q > json.q;
  return html.q > 0 && html.precision > json.precision;
}
