import { test } from 'node:test';
import fc from 'fast-check';
import { checkDiskHistory, diskHistories } from './failing-disk.fixture.ts';

for (const fsync of [false, true]) {
  test(`a failing disk, fsync ${fsync}: what was kept is there, what was refused is not`, async () => {
    const property = fc.asyncProperty(diskHistories, (steps) => checkDiskHistory(fsync, steps));
    await fc.assert(property, { numRuns: 60 });
  });
}
