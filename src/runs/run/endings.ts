/** The outcomes of runs that did not complete. */
import { IscepError } from "../../errors.js";
import type { RunOutcome } from "../../model/outcome.js";

export function rejected(error: IscepError): RunOutcome {
  return { status: "rejected", error };
}

export function failed(error: IscepError): RunOutcome {
  return { status: "failed", error };
}

export function closingError(): IscepError {
  return new IscepError("busy", "the server is closing and starts no more runs");
}

export function checkingError(): IscepError {
  return new IscepError(
    "busy",
    "the server checks the arguments of as many calls as it may, or such large ones; try again later",
  );
}

/** The outcome of an aborted run. If it never began, it is rejected. */
export function stopped(reason: IscepError): RunOutcome {
  if (reason.code === "busy") return rejected(reason);
  return reason.code === "timeout" ? { status: "timeout", error: reason } : { status: "cancelled", error: reason };
}

export function takesNoInput(command: string): IscepError {
  return new IscepError("invalid_arguments", `the command "${command}" takes no standard input; call it without any`);
}

export function schemaFault(error: unknown): IscepError {
  return new IscepError(
    "internal",
    "the command's argument schema itself failed; the command's author has to mend it",
    {
      cause: error,
    },
  );
}
