/**
 * The search for an order of the operations of one key in which each takes effect between its request and its answer, and
 * each read sees what was written last: Wing & Gong's (Testing and Verifying Concurrent Objects, 1993), with the memory
 * that Lowe gave it (Testing for Linearizability, 2017): what has once led nowhere is not tried again, in whatever order
 * it was come to.
 */
import type { Operation } from './history.ts';
import { type Choice, createRegister, type Point } from './register.ts';

/** What a check may still spend; the searches draw on it. */
export interface Budget {
  /** Writes placed. */
  steps: number;
  /** That one search may remember, roughly. */
  bytesMax: number;
}

/** `steps` and `memory`: which of them was not enough. */
export type Search = 'found' | 'none' | 'steps' | 'memory';

/** Beside the text itself, of what is remembered. */
const ENTRY_BYTES = 64;

interface Junction {
  here: Point;
  choices: readonly Choice[];
  tried: number;
}

/** @param operations of one key; the register holds nothing before them */
export function searchOrder(operations: readonly Operation[], budget: Budget): Search {
  const register = createRegister(operations);
  const seen = new Set<string>();
  const junctions: Junction[] = [];
  let bytes = 0;

  function isNew(): boolean {
    const text = register.describe();
    if (seen.has(text)) return false;
    seen.add(text);
    bytes += ENTRY_BYTES + text.length;
    return true;
  }

  /** The next way that was not tried yet, from the last junction that has one. */
  function turn(): boolean {
    for (let junction = junctions.at(-1); junction; junction = junctions.at(-1)) {
      register.undo(junction.here);
      const choice = junction.choices[junction.tried++];
      if (choice) {
        register.take(choice);
        return true;
      }
      junctions.pop();
    }
    return false;
  }

  for (;;) {
    register.settle();
    if (register.isComplete()) return 'found';
    if (budget.steps <= 0) return 'steps';
    if (bytes > budget.bytesMax) return 'memory';
    budget.steps -= 1;
    if (isNew()) junctions.push({ here: register.point(), choices: register.choices(), tried: 0 });
    if (!turn()) return 'none';
  }
}
