/**
 * The shape of a path that no route has, for access lines: how deep it is and which part of the server it was meant for. The
 * path itself is whatever somebody has sent, and may be a secret.
 */
import { isOwnWord } from './own-words.ts';

const SEGMENTS_MAX = 6;

/** `/v1/notes/x?token=y` is `/v1/{}/{}`. Pure. */
export function shapeOf(url: string): string {
  const path = url.split(/[?#]/, 1)[0] ?? '';
  const segments = path.split('/', SEGMENTS_MAX + 2).slice(1);
  const [first = '', ...rest] = segments.slice(0, SEGMENTS_MAX);
  const shape = [isOwnWord(first) || first === '' ? first : '{}', ...rest.map((each) => each && '{}')];
  return `/${shape.join('/')}${segments.length > SEGMENTS_MAX ? '/…' : ''}`;
}
