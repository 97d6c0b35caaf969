/** Whether the standard input of this process becomes that of the run. */
import { IscepError } from "../../errors.js";
import { surroundings, type InputKind } from "../terminal/surroundings.js";

export interface StandardInputOptions {
  /** --stdin and --no-stdin; undefined when neither was given. */
  readonly stdin?: boolean;
  readonly args?: string;
  readonly detach?: boolean;
}

/**
 * `file` and `pipe` have something to say that somebody meant: to pass it over in silence would lose it. A `socket` is
 * mostly what programs give to those that they start.
 */
export type StandardInputKind = "none" | Extract<InputKind, "pipe" | "socket" | "file">;

/** @throws IscepError `usage` for options that contradict each other */
export function checkStandardInput({ stdin, args, detach }: StandardInputOptions): void {
  if (stdin !== true) return;
  if (args === "-") throw new IscepError("usage", "--args - reads standard input already; leave out --stdin");
  if (detach === true)
    throw new IscepError("usage", "with --detach nothing is sent after the start; leave out --stdin");
}

/**
 * A pipe, a socket or a file, as ssh does it; a terminal only when asked for, as a call there seldom means to read it.
 * Of devices `/dev/null` is the one that is met, and it says nothing.
 * @throws IscepError `usage` for a folder
 */
export function standardInputKind({ stdin, args }: StandardInputOptions): StandardInputKind {
  if (stdin === true) return "pipe";
  if (stdin === false || args === "-") return "none";
  const kind = surroundings().inputKind();
  // Node would take it for one that has ended.
  if (kind === "folder") throw new IscepError("usage", "standard input is a folder, and cannot be read");
  return kind === "other" ? "none" : kind;
}

/** Reads no faster than the run takes it. @throws IscepError `configuration` */
export async function* readStandardInput(): AsyncGenerator<Uint8Array, void, void> {
  try {
    for await (const chunk of surroundings().stdin) yield Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
  } catch (error) {
    throw new IscepError("configuration", "standard input cannot be read", { cause: error });
  }
}
