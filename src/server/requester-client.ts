/** Makes the client of a caller who shows who they are with one request, and has no connection. */
import type { Client } from "../client/client.js";
import type { Requester } from "../doors/built-in-door.js";
import { inProcessClient } from "../doors/in-process/client.js";
import type { InProcessHost } from "../doors/in-process/host.js";
import { InProcessIdentity } from "../doors/in-process/identity.js";
import { IscepError } from "../errors.js";
import type { TokensAuthenticator } from "../model/identity.js";
import { packetRoom } from "../runs/run/settle.js";
import { valueRoomOf } from "../runs/run/value-room.js";
import { serverProof } from "../session/proof.js";
import { authenticatorOf } from "./client-certificates.js";
import type { ServerOptions } from "./options.js";

interface Opened {
  readonly host: InProcessHost;
  readonly authenticator: TokensAuthenticator | undefined;
}

/** undefined when there is no such token now. */
export function proofTo(
  authenticator: TokensAuthenticator | undefined,
  reference: string,
  source: string,
  message: Buffer,
): Buffer | undefined {
  const token = authenticator?.find(reference, source);
  return token === undefined ? undefined : serverProof(token.serverKey, message);
}

/** @throws IscepError `unauthorized` */
export function requesterClient(requester: Requester, options: ServerOptions, opened: Opened): Client {
  const { source, proof, runId, maxValueBytes } = requester;
  const { authenticator } = authenticatorOf(options, opened.authenticator, undefined, source);
  const host: InProcessHost = {
    ...opened.host,
    authenticator,
    // All callers of a bus come from one source, so one of them must not lock out the others.
    failedToken: () => void opened.host.metrics.failedTokens++,
    isPenalised: () => false,
  };
  const identity = new InProcessIdentity(proof, source);
  try {
    identity.check(host);
  } catch (error) {
    const reason = authenticator?.refusal();
    throw reason === undefined ? error : new IscepError("unauthorized", reason, { cause: error });
  }
  const valueRoom =
    maxValueBytes === undefined
      ? undefined
      : () => valueRoomOf(Math.min(maxValueBytes(), packetRoom(host.limits).maxBytes));
  return inProcessClient({ token: null, source }, host.limits, () => host, { identity, runId, valueRoom });
}
