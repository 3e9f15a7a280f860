/**
 * Builds that are broken on purpose, each by one snippet of one file: a drill that does not catch them proves nothing.
 */
import assert from 'node:assert/strict';

export interface BrokenBuild {
  name: string;
  /** What no longer holds. */
  summary: string;
  /** From the root of the repository. */
  file: string;
  /** Occurs once in the file. */
  snippet: string;
  replacement: string;
}

export const acknowledgeBeforeCommit: BrokenBuild = {
  name: 'acknowledge-before-commit',
  summary: 'a mutation answers when its statements have been carried out, and commits a little later',
  file: 'src/blocks/mutation/set-run.ts',
  snippet: 'const settled = await deps.database.transact(PLACEMENT, { signal, onCommit }, (tx) =>',
  replacement: `
      const transactLate = (rule) => {
        const answer = Promise.withResolvers();
        const committed = deps.database.transact(PLACEMENT, { signal, onCommit }, async (tx) => {
          const given = await rule(tx);
          answer.resolve(given);
          await new Promise((resolve) => setTimeout(resolve, 40));
          return given;
        });
        committed.catch(answer.reject);
        return answer.promise;
      };
      const settled = await transactLate((tx) =>`,
};

export const relayById: BrokenBuild = {
  name: 'relay-by-id',
  summary:
    'the relay goes on from the last number it has seen, and passes over those that are committed later',
  file: 'src/blocks/outbox/low-watermark.ts',
  snippet: "if (state.kind === 'bounded' && xidMin >= state.xid) {",
  replacement: `
      if (lastSeq !== undefined) lowWatermark = BigInt(lastSeq) + 1n;
      if (state.kind === 'bounded' && xidMin >= state.xid) {`,
};

export const promoteWithoutFence: BrokenBuild = {
  name: 'promote-without-fence',
  summary: 'a standby is promoted while the old primary goes on, which is ended only to make it anew',
  file: 'src/blocks/postgres/standby/promotion.ts',
  snippet: 'const directory = realDirectory(join(ensemble.dataDirectory, name));',
  replacement: `
  const directory = realDirectory(join(ensemble.dataDirectory, name));
  const old = ensemble.primary();
  setTimeout(async () => {
    if (old?.site.dataDirectory === directory) await old.kill();
    const found = findPostmaster(directory);
    const left = found.kind === 'live' ? adoptPostmaster(found.identity, { clock }) : undefined;
    await killPostmaster(left, directory, clock);
  }, 20_000);
  return;
`,
};

export const brokenBuilds: readonly BrokenBuild[] = [acknowledgeBeforeCommit, relayById, promoteWithoutFence];

/** The source of the file as the build has it. Fails when it is not clear what to break: then the drill would be of no use. */
export function breakSource({ name, file, snippet, replacement }: BrokenBuild, source: string): string {
  const count = source.split(snippet).length - 1;
  assert.equal(
    count,
    1,
    `the broken build ${name} needs its snippet once in ${file}, and finds it ${count} times`,
  );
  return source.replace(snippet, () => replacement);
}
