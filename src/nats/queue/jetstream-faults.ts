/** Refusals of JetStream, as errors that tell a person what to do. The codes are those of its API (`err_code`). */
import { isIscepError, IscepError, textOfThrown } from "../../errors.js";
import { hasNoResponder } from "../faults.js";

const wrongLastSequence = [10_071, 10_164];
const noRoom = [10_023, 10_047, 10_077, 10_122];
const tooLong = 10_054;
/** Error codes of JetStream for a stream, or a consumer, that does not exist. */
export const noStream = 10_059;
export const noConsumer = 10_014;
const notEnabled = [10_039, 10_076];

export function codeOf(thrown: unknown): number | undefined {
  return thrown instanceof Error && "code" in thrown && typeof thrown.code === "number" ? thrown.code : undefined;
}

/** How long we wait for a stream that another instance has begun to make. */
export const beingMadeMs = 300;

/** Another instance makes the same stream at this moment. The stream is there a moment later. */
export function isBeingMade(thrown: unknown): boolean {
  return [10_058, 10_065].includes(codeOf(thrown) ?? 0);
}

/** Another claim was there first. */
export function isConflict(thrown: unknown): boolean {
  return wrongLastSequence.includes(codeOf(thrown) ?? 0);
}

/**
 * True when the broker has said that it did not do what was asked, or when there is no JetStream that could do it.
 * After any other error this is not known.
 */
export function isRefusal(thrown: unknown): boolean {
  return codeOf(thrown) !== undefined || isWithoutAnswer(thrown) || isForbidden(thrown);
}

function isForbidden(thrown: unknown): boolean {
  return (
    thrown instanceof Error &&
    (thrown.name === "PermissionViolationError" || /permissions violation/i.test(thrown.message))
  );
}

/** @param where HOST:PORT of the broker */
export function jetStreamFault(where: string, thrown: unknown): IscepError {
  if (isIscepError(thrown)) return thrown;
  const code = codeOf(thrown) ?? 0;
  const told = textOfThrown(thrown);
  const cause = thrown;
  if (notEnabled.includes(code) || isWithoutAnswer(thrown)) {
    return new IscepError(
      "busy",
      `the broker at ${where} has no JetStream for us now; its operator enables it (nats-server --jetstream), or it comes back`,
      { cause },
    );
  }
  if (noRoom.includes(code) || /maximum (?:bytes|messages)|insufficient|no space/i.test(told)) {
    return new IscepError(
      "busy",
      `JetStream of the broker at ${where} is full (${told}); try again when instances have taken what waits there, or give it more room`,
      { cause },
    );
  }
  if (code === tooLong)
    return new IscepError("too_large", `the broker at ${where} takes no message of this size: ${told}`, { cause });
  if (isForbidden(thrown)) {
    return new IscepError(
      "unauthorized",
      `the broker at ${where} does not allow it: ${told}. Its operator must give this user the permission (docs/SCALING.md)`,
      { cause },
    );
  }
  return new IscepError("busy", `JetStream of the broker at ${where} did not do it: ${told}; try again later`, {
    cause,
  });
}

/** True when the subjects of JetStream have no listener. */
export function isWithoutAnswer(thrown: unknown): boolean {
  if (hasNoResponder(thrown)) return true;
  return thrown instanceof Error && (thrown.name === "JetStreamNotEnabled" || thrown.message === "stream not found");
}
