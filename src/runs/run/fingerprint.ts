import { createHmac } from "node:crypto";
import { IscepError } from "../../errors.js";
import type { Identity } from "../../model/identity.js";
import { mayType } from "../../model/run-record.js";
import { isJsonObject } from "../../wire/json.js";
import type { Run } from "./run.js";

/**
 * Says whether two calls with the same idempotency key have the same arguments. The fingerprint is kept in files, but
 * the arguments are not. It is made with the key, which is not kept either, so nobody can find out the arguments by
 * trying.
 */
export function fingerprint(idempotencyKey: string, args: unknown): string {
  return createHmac("sha256", idempotencyKey)
    .update(canonical(args) ?? "{}")
    .digest("base64url");
}

/** A call with the key of an earlier one. */
export interface Repetition {
  readonly identity: Identity;
  readonly name: string;
  readonly args: unknown;
  readonly idempotencyKey: string;
  /** The call will send standard input, and takes over from the earlier call. */
  readonly willType: boolean;
}

/** Why this call with the key of an earlier one is not a repetition of it; undefined when it is. */
export function repetitionFault(earlier: Run, call: Repetition): IscepError | undefined {
  const known = earlier.retention?.fingerprint;
  // A caller who may not run the command may not have its result either.
  if (!call.identity.mayRun(call.name)) return new IscepError("command_not_found");
  if (earlier.command !== call.name) return otherCall("a call of another command");
  if (
    call.willType &&
    earlier.outcome === undefined &&
    !mayType(call.identity, { ...earlier.identity, command: call.name })
  )
    return otherCall("a call of another token, into which this one may not type");
  // A run that an older version kept has no fingerprint.
  if (known === undefined || known === fingerprint(call.idempotencyKey, call.args)) return undefined;
  return otherCall("a call with other arguments");
}

function otherCall(whose: string): IscepError {
  return new IscepError("invalid_arguments", `this idempotency key belongs to ${whose}; choose a new key`);
}

/** The members in the order of their names, whatever order they were sent in. */
function canonical(args: unknown): string | undefined {
  return JSON.stringify(args, (_key, value: unknown) =>
    isJsonObject(value) ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))) : value,
  );
}
