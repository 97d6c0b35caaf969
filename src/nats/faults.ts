/** What the library of NATS throws, as errors that tell a person what to do. Names are compared, because copies of a library differ. */
import { isIscepError, IscepError, textOfThrown } from "../errors.js";

function nameOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.name : "";
}

/** @param where HOST:PORT of the broker */
export function connectFault(where: string, thrown: unknown): IscepError {
  if (isIscepError(thrown)) return thrown;
  const cause = thrown;
  const told = textOfThrown(thrown);
  const name = nameOf(thrown);
  if (name === "AuthorizationError" || name === "UserAuthenticationExpiredError") {
    return new IscepError(
      "unauthorized",
      `the broker at ${where} does not know us: ${told}. Give the user, credentials or nkey that its operator has set up`,
      { cause },
    );
  }
  if (/certificate|self.signed|altname|tls/i.test(told)) {
    return new IscepError(
      "not_trusted",
      `the TLS of the broker at ${where} is not as expected: ${told}. Give the authority of its certificate (tls.ca of nats), and the host as the certificate names it`,
      { cause },
    );
  }
  const reason =
    name === "TimeoutError" ? "it did not answer in time" : told === "" ? "it closed the connection" : told;
  return new IscepError(
    "connect_failed",
    `the broker at ${where} cannot be reached: ${reason}. Is nats-server running there, and is the port right?`,
    { cause },
  );
}

/** A fault that the broker reported on an open connection. */
export function brokerFault(thrown: unknown): IscepError {
  if (nameOf(thrown) === "PermissionViolationError") {
    return new IscepError(
      "unauthorized",
      `the broker does not allow it: ${textOfThrown(thrown)}. Its operator must give this user the permission (docs/SCALING.md)`,
      { cause: thrown },
    );
  }
  return new IscepError("lost", `the broker reports a fault: ${textOfThrown(thrown)}`, { cause: thrown });
}

/** The library has sent nothing, because the message is longer than the broker takes (`max_payload`). */
export function wasTooLong(thrown: unknown): boolean {
  return nameOf(thrown) === "InvalidArgumentError";
}

/** True when the subject of a request has no listener. */
export function hasNoResponder(thrown: unknown): boolean {
  for (let error = thrown; error instanceof Error; error = error.cause) if (error.name === "NoResponders") return true;
  return false;
}
