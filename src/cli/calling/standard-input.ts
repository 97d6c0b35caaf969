/** Decides whether the standard input of this process becomes that of the run. */
import type { CommandDescription } from "../../model/command.js";
import { IscepError } from "../../errors.js";
import { warn } from "../terminal/streams.js";
import { surroundings, type InputKind } from "../terminal/surroundings.js";

export interface StandardInputOptions {
  /** --stdin or --no-stdin; undefined when neither was given. */
  readonly stdin?: boolean;
  readonly args?: string;
  readonly detach?: boolean;
  readonly durable?: boolean;
}

/**
 * A `file` or a `pipe` holds input that somebody meant to send, so it must not be ignored silently. A `socket` is
 * mostly what programs give to the programs that they start.
 */
export type StandardInputKind = "none" | Extract<InputKind, "pipe" | "socket" | "file">;

/** Returns false when it is certain that no input is sent, so that the command need not be asked for. */
export function mayBeSent({ stdin, args }: StandardInputOptions): boolean {
  if (stdin !== undefined || args === "-") return stdin === true;
  return surroundings().inputKind() !== "other";
}

/** @throws IscepError `usage` for options that contradict each other, and for a command that takes no standard input */
export function checkStandardInput(
  { stdin, args, detach, durable }: StandardInputOptions,
  description: CommandDescription | undefined,
): void {
  if (stdin !== true) return;
  if (description !== undefined && description.stdin !== true) {
    throw new IscepError(
      "usage",
      `the command "${description.name}" takes no standard input; leave out --stdin, or write \`stdin: true\` in its definition`,
    );
  }
  if (args === "-") throw new IscepError("usage", "--args - reads standard input already; leave out --stdin");
  if (durable === true) throw new IscepError("usage", "with --durable no standard input is sent; leave out --stdin");
  if (detach === true)
    throw new IscepError("usage", "with --detach nothing is sent after the start; leave out --stdin");
}

/**
 * A pipe, a socket or a file is sent to a command that takes it. For any other command nothing is read, so that a loop
 * or a shell that reads its commands from there keeps them. A terminal is sent only on request, because a call on a
 * terminal seldom reads it. Of devices, `/dev/null` is the usual one, and it is empty.
 * @throws IscepError `usage` for a folder
 */
export function standardInputKind({ stdin, args }: StandardInputOptions, isTaken: boolean): StandardInputKind {
  if (stdin === true) return "pipe";
  if (stdin === false || args === "-" || !isTaken) return "none";
  const kind = surroundings().inputKind();
  // Node would treat it as input that has ended.
  if (kind === "folder") throw new IscepError("usage", "standard input is a folder, and cannot be read");
  return kind === "other" ? "none" : kind;
}

/** Somebody may have meant what lies in a pipe or a file. @param why such as "with --detach" */
export async function warnOfUnsent(
  kind: StandardInputKind,
  why: string,
  { quiet }: { readonly quiet?: boolean },
): Promise<void> {
  if (quiet === true || (kind !== "file" && kind !== "pipe")) return;
  await warn(`standard input is not sent ${why}; --no-stdin says that this is meant`);
}

/** Reads no faster than the run takes the input. @throws IscepError `configuration` */
export async function* readStandardInput(): AsyncGenerator<Uint8Array, void, void> {
  try {
    for await (const chunk of surroundings().stdin) yield Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
  } catch (error) {
    throw new IscepError("configuration", "standard input cannot be read", { cause: error });
  }
}
