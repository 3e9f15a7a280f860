import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defaultCalibration } from '../default-calibration.ts';
import { parseCalibration } from './capacity.ts';

const refusalOf = (value: unknown): RegExp | object => {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  let refused: unknown;
  try {
    parseCalibration(text, 'machine.json');
  } catch (error) {
    refused = error;
  }
  assert(refused instanceof Error, 'it was not refused');
  assert.equal((refused as Error & { code: string }).code, 'calibration_invalid');
  return { message: refused.message };
};

describe('a calibration', () => {
  test('is read back as it was written', () => {
    assert.deepEqual(parseCalibration(JSON.stringify(defaultCalibration), 'x'), defaultCalibration);
  });

  test('what is none is refused with its first fault', () => {
    assert.deepEqual(refusalOf('{'), { message: 'machine.json is no JSON' });
    assert.deepEqual(refusalOf('[]'), {
      message: `machine.json: the whole: [] is not allowed; allowed is an object with ${[...Object.keys(defaultCalibration), 'quality', 'systems'].join(', ')}`,
    });
    assert.deepEqual(refusalOf({ ...defaultCalibration, format: 2 }), {
      message: 'machine.json: format: 2 is not allowed; allowed is 1',
    });
    const { list, ...others } = defaultCalibration.routes;
    assert.deepEqual(refusalOf({ ...defaultCalibration, routes: others }), {
      message: 'machine.json: routes.list: is required',
    });
    const routes = { ...others, list: { ...list, kneePerS: -1 } };
    assert.deepEqual(refusalOf({ ...defaultCalibration, routes }), {
      message:
        'machine.json: routes.list.kneePerS: -1 is not allowed; allowed is a number from 0 to 1000000000000',
    });
  });
});
