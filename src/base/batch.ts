/**
 * Joins what is asked in one turn of the event loop into one call, such as one statement for all of a process's leases.
 */

/**
 * @param answer gets what was asked, in order, and gives an answer for each; when it throws, all are told
 */
export function createBatch<Ask, Answer>(
  answer: (asked: readonly Ask[]) => Promise<readonly Answer[]>,
): (ask: Ask) => Promise<Answer> {
  let waiting: { ask: Ask; resolve: (given: Answer) => void; reject: (error: unknown) => void }[] = [];

  function send(): void {
    const sent = waiting;
    waiting = [];
    answer(sent.map(({ ask }) => ask)).then(
      (answers) => {
        for (const [at, { resolve }] of sent.entries()) resolve(answers[at] as Answer);
      },
      (error: unknown) => {
        for (const { reject } of sent) reject(error);
      },
    );
  }

  return (ask) =>
    new Promise((resolve, reject) => {
      // Timers that are due together run before it, each in a turn of its own.
      if (waiting.length === 0) setImmediate(send);
      waiting.push({ ask, resolve, reject });
    });
}
