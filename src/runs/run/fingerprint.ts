import { createHmac } from "node:crypto";
import { IscepError } from "../../errors.js";
import type { Identity } from "../../model/identity.js";
import { isJsonObject } from "../../wire/json.js";
import type { Run } from "./run.js";

/**
 * Tells whether two calls with the same idempotency key have the same arguments. It is kept in files, where the arguments are
 * not: with the key, which is not kept either, nobody can try out what they were.
 */
export function fingerprint(idempotencyKey: string, args: unknown): string {
  return createHmac("sha256", idempotencyKey)
    .update(canonical(args) ?? "{}")
    .digest("base64url");
}

/** Why this call with the key of an earlier one is no repetition of it; undefined where it is. */
export function repetitionFault(
  earlier: Run,
  call: { readonly identity: Identity; readonly name: string; readonly args: unknown; readonly idempotencyKey: string },
): IscepError | undefined {
  const known = earlier.retention?.fingerprint;
  // Whoever may not run it may not have its result either.
  if (!call.identity.mayRun(call.name)) return new IscepError("command_not_found");
  if (earlier.command !== call.name) return otherCall("a call of another command");
  // A run that an older version has kept has none.
  if (known === undefined || known === fingerprint(call.idempotencyKey, call.args)) return undefined;
  return otherCall("a call with other arguments");
}

function otherCall(whose: string): IscepError {
  return new IscepError("invalid_arguments", `this idempotency key belongs to ${whose}; choose a new key`);
}

/** Members in the order of their names, whatever order they were sent in. */
function canonical(args: unknown): string | undefined {
  return JSON.stringify(args, (_key, value: unknown) =>
    isJsonObject(value) ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))) : value,
  );
}
