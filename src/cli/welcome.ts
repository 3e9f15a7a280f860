/**
 * What a person is told once the server listens.
 */
import type { Random } from '#base/random';

export interface Welcome {
  /** The API key that this start has made, if it was the first. */
  firstKey: string | undefined;
  /** Whether LOADSTONE_ROOT_KEY has set the key. */
  isKeySet: boolean;
  hasLinks: boolean;
  /** Of a supervisor: its pid, and how many processes it keeps. */
  supervisor?: { pid: number; processes: number } | undefined;
}

/** The first start's alias is plain; later ones must not meet it again. */
function aliasOf(firstKey: string | undefined, random: Random): string {
  return firstKey === undefined ? `hello-${random.bytes(3).toString('hex')}` : 'hello';
}

/** Two lines to paste; the key in them is the one just made, or the variable that holds it. */
function curlLines(url: string, { firstKey, isKeySet }: Welcome, random: Random): string[] {
  const variable = isKeySet ? 'LOADSTONE_ROOT_KEY' : 'LOADSTONE_KEY';
  const hint = firstKey === undefined && !isKeySet ? ' ($LOADSTONE_KEY is the key of the first start)' : '';
  const alias = aliasOf(firstKey, random);
  const headers = `-H "Authorization: Bearer ${firstKey ?? `$${variable}`}" -H 'Content-Type: application/json'`;
  return [
    `Shorten a link, then follow it${hint}:`,
    '',
    `  curl -sS '${url}/v1/links' ${headers} -d '{"url":"https://example.com/","alias":"${alias}"}'`,
    `  curl -sSi '${url}/${alias}'`,
    '',
  ];
}

/**
 * @param server its addresses
 */
export function welcome(
  server: { localUrl: string; publicUrl: string; dataDirectory: string },
  about: Welcome,
  random: Random,
): string {
  const { localUrl, publicUrl, dataDirectory } = server;
  const lines = [
    '',
    `  address         ${localUrl}${publicUrl === localUrl ? '' : `  (public: ${publicUrl})`}`,
    `  data directory  ${dataDirectory}`,
  ];
  if (about.firstKey !== undefined) lines.push(`  API key         ${about.firstKey}   (shown once: keep it)`);
  if (about.supervisor) {
    const { pid, processes } = about.supervisor;
    lines.push(
      `  processes       ${processes}, supervised by pid ${pid} (kill -HUP ${pid} replaces them one by one)`,
    );
  }
  lines.push('  stop            Ctrl-C; to outlive this terminal: setsid, or docs/operations/systemd.md', '');
  if (about.hasLinks) lines.push(...curlLines(localUrl, about, random));
  else lines.push(`What it answers: ${localUrl}/docs`, '');
  return lines.join('\n');
}
