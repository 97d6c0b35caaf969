import type { Command } from "commander";

/** What a verb leaves behind for the end of the process. */
export interface Invocation {
  exitCode: number;
  /** Whether errors go to standard output, as JSON. */
  json: boolean;
  /** Set by a stop signal: the exit code in place of the one for `cancelled`. */
  interruptedExitCode?: number;
  /** iscep with its verbs; the one among the words has its options. */
  programFor(words: readonly string[]): Promise<Command>;
}

/** Gives a verb its options and its action. */
export type DefineVerb = (command: Command, invocation: Invocation) => void;

/** `summary` is a line in the help of others, and a sentence in the verb's own. */
export function summarise(command: Command, summary: string): Command {
  return command.summary(summary).description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`);
}
