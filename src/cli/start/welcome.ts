/**
 * What a person is told once the server listens.
 */
import type { Random } from '#base/random';
import type { FirstSteps } from '#blocks/system';

export interface Welcome {
  /** The API key that this start has made, if it was the first. */
  firstKey: string | undefined;
  /** Whether LOADSTONE_ROOT_KEY has set the key. */
  isKeySet: boolean;
  /** Of the first system that has some. */
  firstSteps: FirstSteps | undefined;
  /** Of a supervisor: its pid, and how many processes it keeps. */
  supervisor?: { pid: number; processes: number } | undefined;
}

/** Lines to paste; the key in them is the one just made, or the variable that holds it. */
function linesToTry(
  url: string,
  firstSteps: FirstSteps,
  { firstKey, isKeySet }: Welcome,
  random: Random,
): string[] {
  const variable = isKeySet ? 'LOADSTONE_ROOT_KEY' : 'LOADSTONE_KEY';
  const hint = firstKey === undefined && !isKeySet ? ' ($LOADSTONE_KEY is the key of the first start)' : '';
  const { title, lines } = firstSteps({
    url,
    curlHeaders: `-H "Authorization: Bearer ${firstKey ?? `$${variable}`}" -H 'Content-Type: application/json'`,
    isFirstStart: firstKey !== undefined,
    suffix: random.bytes(3).toString('hex'),
  });
  return [`${title}${hint}:`, '', ...lines.map((line) => `  ${line}`), ''];
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
  if (about.firstSteps) lines.push(...linesToTry(localUrl, about.firstSteps, about, random));
  else lines.push(`What it answers: ${localUrl}/docs`, '');
  return lines.join('\n');
}
