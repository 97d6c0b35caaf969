/** Puts together what speaks version 2 with one server, whatever carries the bytes to it. */
import { IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import type { ByteStream } from "../../transport/byte-stream.js";
import type { ConnectionEvents } from "../protocol/connection-events.js";
import type { Greeted, Negotiated } from "../protocol/negotiate.js";
import { Version2Client, type Version2ClientOptions } from "./client.js";
import { Version2ClientConnection } from "./connection.js";
import { Version2ProtocolClient } from "./protocol-client.js";
import { TokenClients } from "./token-clients.js";

export interface GreetedStream<Answer extends Negotiated = Negotiated> {
  readonly socket: ByteStream;
  readonly negotiated: Answer;
}

export interface Version2Opening extends Pick<Version2ClientOptions, "hasOthers"> {
  readonly limits: Limits;
  readonly token: string | undefined;
  readonly timeoutMs: number;
  /** True when the user gave it, so that the server is told. */
  readonly timeoutIsGiven: boolean;
  /** Hears of the connections of the client's own token. */
  readonly events?: ConnectionEvents;
  /** The connection for the first calls. undefined: it is made for the first call. */
  readonly first?: GreetedStream<Greeted>;
  /** Opens a stream to the server, and greets it there. @throws IscepError */
  greet(abandoned: AbortSignal): Promise<GreetedStream>;
}

export function openVersion2(opening: Version2Opening): Version2ProtocolClient {
  const { limits, token, timeoutMs, timeoutIsGiven, events, first, hasOthers } = opening;
  const clientFor = (own: string | undefined): Version2Client =>
    new Version2Client({
      limits,
      // Connections of single calls are not reported.
      ...(own === token && events !== undefined ? { events } : {}),
      ...(hasOthers === undefined ? {} : { hasOthers }),
      open: async (heard, abandoned) => {
        const { socket, negotiated } = await opening.greet(abandoned);
        if (negotiated.version === 2) {
          return new Version2ClientConnection({ socket, negotiated, token: own, limits, ...heard });
        }
        socket.destroy();
        throw new IscepError("protocol", "the server spoke version 2 before, and now speaks version 1; connect again");
      },
    });
  const client = clientFor(token);
  if (first !== undefined) client.use(new Version2ClientConnection({ ...first, token, limits, ...client.events }));
  const clients = new TokenClients(client, token, limits, clientFor);
  return new Version2ProtocolClient({ version: 2, clients, limits, timeoutMs, timeoutIsGiven });
}
