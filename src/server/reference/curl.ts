/**
 * An operation as a line for curl that can be pasted as it is: the examples of its schemas are sent.
 */
import type { Operation } from './openapi.ts';

/** For a POSIX shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function urlOf(base: string, path: string, parameters: NonNullable<Operation['parameters']>): string {
  const shown = (name: string) => {
    const example = parameters.find((each) => each.in === 'path' && each.name === name)?.example;
    return example === undefined ? `{${name}}` : encodeURIComponent(String(example));
  };
  const query = parameters
    .filter((each) => each.in === 'query' && each.required && each.example !== undefined)
    .map(({ name, example }) => `${encodeURIComponent(name)}=${encodeURIComponent(String(example))}`);
  const address = `${base}${path.replaceAll(/\{([^}]+)\}/g, (_, name: string) => shown(name))}`;
  return query.length === 0 ? address : `${address}?${query.join('&')}`;
}

/** @param base the address of the server, without a trailing slash */
export function curlOf(base: string, method: string, path: string, operation: Operation): string {
  const { parameters = [], requestBody, security } = operation;
  const isOpen = security?.length === 0;
  const body = requestBody?.content['application/json'].example;
  const isPlain = method === 'get' || (method === 'post' && requestBody !== undefined);
  const parts = [
    // Of a redirect the headers are what there is to see.
    `curl ${isOpen ? '-sSi' : '-sS'}${isPlain ? '' : ` -X ${method.toUpperCase()}`} ${quote(urlOf(base, path, parameters))}`,
    ...(isOpen ? [] : ['-H "Authorization: Bearer $KEY"']),
    ...(requestBody
      ? [`-H 'Content-Type: application/json'`, `-d ${quote(JSON.stringify(body ?? {}))}`]
      : []),
  ];
  return parts.join(' \\\n  ');
}
