import type { Command } from "commander";

/** What a verb leaves behind for the end of the process. */
export interface Invocation {
  exitCode: number;
  /** Whether errors go to standard output, as JSON. */
  json: boolean;
  /** Set by a stop signal: the exit code in place of the one for `cancelled`. */
  interruptedExitCode?: number;
}

/** Gives a verb its options and its action. */
export type DefineVerb = (command: Command, invocation: Invocation) => void;
