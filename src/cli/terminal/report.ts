/** Reports errors to people and scripts. This is the only place that does so. */
import { inspect } from "node:util";
import { toIscepError, type ErrorCode } from "../../errors.js";
import { note, noteLabelled, print } from "./streams.js";
import { surroundings } from "./surroundings.js";

export interface ReportOptions {
  /** True to print `{"error":{"code":…,"message":…}}` on standard output, instead of a sentence on standard error. */
  readonly json: boolean;
}

const generalHints: Partial<Record<ErrorCode, string>> = {
  connect_failed: "`iscep serve` prints its address, which is given with --url or in ISCEP_URL",
  unauthorized: "a token is given in ISCEP_TOKEN, with --token-file, or in the address in ISCEP_URL",
};

/** The server says only `unauthorized`, because it does not tell callers without a good token what is wrong with it. */
export const mayNotList =
  "no token, a wrong one, or one that may call commands and not list them (without discover, as " +
  "`iscep tokens list` shows it); call such commands by name";

const ownHints = new WeakMap<object, string>();

/** Adds what to do about this error, which is shown on a line of its own. Returns the error, to be thrown. */
export function withHint<Thrown>(thrown: Thrown, hint: string): Thrown {
  if (typeof thrown === "object" && thrown !== null) ownHints.set(thrown, hint);
  return thrown;
}

/** Says what went wrong, with causes and stacks only when ISCEP_DEBUG is set. Returns the error's exit code. */
export async function reportError(thrown: unknown, options: ReportOptions): Promise<number> {
  const error = toIscepError(thrown);
  if (options.json) {
    const { code, message } = error;
    await print(`${JSON.stringify({ error: { code, message } })}\n`);
  } else {
    await noteLabelled("red", "iscep:", error.message);
    const hint =
      (typeof thrown === "object" && thrown !== null ? ownHints.get(thrown) : undefined) ?? generalHints[error.code];
    if (hint !== undefined) await noteLabelled("dim", "hint:", hint);
  }
  if ((surroundings().env["ISCEP_DEBUG"] ?? "") !== "") await note(inspect(error));
  return error.exitCode;
}
