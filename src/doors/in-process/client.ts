/**
 * Makes a client of a server in the same process. Calls with another token than the client's own use a session of their
 * own.
 */
import { ConnectedClient, type Client } from "../../client/client.js";
import { ConnectionEvents } from "../../client/protocol/connection-events.js";
import { Version2Client } from "../../client/version2/client.js";
import { Version2ProtocolClient } from "../../client/version2/protocol-client.js";
import { TokenClients } from "../../client/version2/token-clients.js";
import { IscepError } from "../../errors.js";
import { refuseUnknownOption } from "../../text/unknown-option.js";
import type { Limits } from "../../limits/limits.js";
import type { ValueRoom } from "../../runs/run/value-room.js";
import type { InProcessClientOptions } from "../door.js";
import { InProcessConnection } from "./connection.js";
import type { InProcessHost } from "./host.js";
import type { CallerIdentity } from "./identity.js";

const clientOptions = { token: true, source: true } satisfies Record<keyof InProcessClientOptions, true>;

/** What the door knows of a caller beside the options. */
export interface KnownCaller {
  /** Who calls, if that is known without a token. */
  readonly identity?: CallerIdentity | undefined;
  /** The id of the one run that this caller starts. */
  readonly runId?: string | undefined;
  /** How large a value this caller can be sent, unless its call is detached. Default: as large as any door can carry. */
  readonly valueRoom?: (() => ValueRoom) | undefined;
}

/**
 * @param host throws an IscepError while the server does not listen, which becomes the error of each call
 */
export function inProcessClient<Commands extends object>(
  options: InProcessClientOptions,
  limits: Limits,
  host: () => InProcessHost,
  caller: KnownCaller = {},
): Client<Commands> {
  refuseUnknownOption("server.client()", options, clientOptions);
  const { token, source } = options;
  if (typeof source !== "string" || source === "") {
    throw new IscepError(
      "usage",
      "server.client() needs a source: the address of the caller, or a word such as its door's name",
    );
  }
  const events = new ConnectionEvents();
  const clientFor = (of: string | undefined): Version2Client => {
    const client: Version2Client = new Version2Client({
      limits,
      ...(of === own ? { events } : {}),
      open: async (heard) => new InProcessConnection({ limits, token: of, source, ...caller, host, ...heard }),
    });
    client.use(new InProcessConnection({ limits, token: of, source, ...caller, host, ...client.events }));
    return client;
  };
  const own = token ?? undefined;
  const clients = new TokenClients(clientFor(own), own, limits, clientFor);
  const timeoutMs = limits.callTimeoutMs;
  const version = "in-process";
  return new ConnectedClient(
    new Version2ProtocolClient({ version, clients, limits, timeoutMs, timeoutIsGiven: false }),
    events,
  );
}
