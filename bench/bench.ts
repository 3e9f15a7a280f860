/**
 * What a bench is: given options and a place to work in, it measures, and says whether the bar was met.
 */
import type { Children } from './children.ts';

export interface BenchOptions {
  rounds: number;
  /** Of measuring, for each subject in each round. */
  seconds: number;
  /** That the generator keeps open. */
  connections: number;
  /** Another checkout, installed, to be measured in the same run. */
  against?: string | undefined;
  /** Recorded traces, for a bench that takes such. */
  files?: readonly string[];
  /** Few short rounds, to try the bench itself: no result worth keeping. */
  isQuick: boolean;
}

export interface Workplace {
  /** Empty, private to this run, and removed after it. */
  directory: string;
  children: Children;
  /** Tells the person at the terminal how far it is. */
  say(line: string): void;
}

/** One thing that must hold. */
export interface Bar {
  claim: string;
  /** As measured, with its unit. */
  measured: string;
  isMet: boolean;
}

export interface Outcome {
  bars: Bar[];
  /** Every number, for machines. */
  data: object;
  /** Tables and remarks, for people: Markdown without the heading. */
  text: string;
}

export interface Bench {
  summary: string;
  /** That the generator keeps open unless told otherwise; 64 if absent. */
  connections?: number;
  /** Of measuring unless told otherwise; 8 if absent. */
  seconds?: number;
  /** Whether files may follow its name. */
  takesFiles?: boolean;
  /** @throws Error when it could not measure, or an answer was wrong */
  run(options: BenchOptions, workplace: Workplace): Promise<Outcome>;
}
