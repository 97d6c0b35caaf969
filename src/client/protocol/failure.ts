import { isIscepError } from "../../errors.js";
import type { FailureOf, NameOf } from "../../model/command-types.js";

/**
 * How a command failed, if its definition declares that way in `errors`; undefined for any other error. With the type of
 * the commands it is typed: `failureOf<typeof commands, "buy">(error)`.
 */
export function failureOf<Commands extends object, Name extends NameOf<Commands>>(
  error: unknown,
): FailureOf<Commands, Name> | undefined {
  if (!isIscepError(error) || error.code !== "failed") return undefined;
  const { reason, data } = error.details;
  if (typeof reason !== "string" || data === undefined) return undefined;
  // The types promise what the command's definition says. The wire cannot prove it.
  return { reason, data } as FailureOf<Commands, Name>;
}
