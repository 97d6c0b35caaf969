import type { Command } from "commander";

/** What a verb leaves for the end of the process. */
export interface Invocation {
  exitCode: number;
  /** True when errors go to standard output, as JSON. */
  json: boolean;
  /** A stop signal sets this: the exit code that replaces the one of `cancelled`. */
  interruptedExitCode?: number;
  /** The program iscep with its verbs. Only the verb among the words has its options. */
  programFor(words: readonly string[]): Promise<Command>;
}

/** Gives a verb its options and its action. */
export type DefineVerb = (command: Command, invocation: Invocation) => void;

/** @param summary a line in the general help, and a sentence in the verb's own help */
export function summarise(command: Command, summary: string): Command {
  return command.summary(summary).description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`);
}
