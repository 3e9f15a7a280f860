import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { houseRules, readRepository } from './house.ts';
import { report } from './rule.ts';
import { readTree } from './tree.ts';

const ROOT = join(import.meta.dirname, '..');
const FIXTURES = join(import.meta.dirname, 'fixtures');

/** What a fixture's rule must say about it: one finding a line, none for a fixture that must pass. */
const EXPECTED = 'expected.txt';

function directoriesIn(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}

test('the repository keeps the house rules', () => {
  const findings = report(houseRules, readRepository(ROOT));
  assert.equal(findings.length, 0, `${findings.length} findings:\n${findings.join('\n')}`);
});

for (const rule of houseRules) {
  describe(`rule ${rule.name}`, () => {
    const cases = directoriesIn(join(FIXTURES, rule.name));
    let foundInAll = 0;

    for (const name of cases) {
      test(name, () => {
        const directory = join(FIXTURES, rule.name, name);
        const expected = readFileSync(join(directory, EXPECTED), 'utf8').split('\n').filter(Boolean);
        const findings = report([rule], readTree(directory, [EXPECTED]));
        assert.deepEqual(findings, expected);
        foundInAll += findings.length;
      });
    }

    test('has a fixture that fails', () => {
      assert(foundInAll > 0);
    });
  });
}
