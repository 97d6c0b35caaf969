/** How runs end that did not complete. */
import { IscepError } from "../../errors.js";
import type { Outcome } from "../../model/outcome.js";

export function rejected(error: IscepError): Outcome {
  return { status: "rejected", error };
}

export function failed(error: IscepError): Outcome {
  return { status: "failed", error };
}

export function closingError(): IscepError {
  return new IscepError("busy", "the server is closing and starts no more runs");
}

/** How a run ends that was aborted; what never began was rejected. */
export function stopped(reason: IscepError): Outcome {
  if (reason.code === "busy") return rejected(reason);
  return reason.code === "timeout" ? { status: "timeout", error: reason } : { status: "cancelled", error: reason };
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
