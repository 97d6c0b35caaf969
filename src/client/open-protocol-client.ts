/** Opens a connection to an address, on which both sides know the version that they speak. */
import type { Socket } from "node:net";
import { IscepError } from "../errors.js";
import { loadClientCertificate } from "../identity/certificates.js";
import { readToken } from "../identity/tokens.js";
import { trustOptions, type Trust } from "../identity/trust.js";
import { resolveLimits, type Limits } from "../limits/limits.js";
import { alpnProtocol } from "../session/version2-hello.js";
import { parseAddress, type Address } from "../transport/address.js";
import { dial } from "../transport/dial.js";
import type { ConnectionEvents } from "./protocol/connection-events.js";
import { checkTimeout } from "./protocol/call-timeout.js";
import { negotiate, type Negotiated } from "./protocol/negotiate.js";
import type { ConnectOptions } from "./protocol/options.js";
import type { ProtocolClient } from "./protocol/protocol-client.js";
import { TokenClients } from "./version2/token-clients.js";
import { Version1Client } from "./version1/client.js";
import { Version1ProtocolClient } from "./version1/protocol-client.js";
import { Version2Client } from "./version2/client.js";
import { Version2ClientConnection } from "./version2/connection.js";
import { Version2ProtocolClient } from "./version2/protocol-client.js";

/** Where the server is, and how it is recognised. */
interface Target {
  readonly address: Address;
  readonly trust: Trust | undefined;
  readonly allowCleartext: boolean;
  readonly limits: Limits;
}

/** @throws IscepError as `connect` */
export async function openProtocolClient(
  url: string,
  options: ConnectOptions,
  events: ConnectionEvents,
): Promise<ProtocolClient> {
  const address = parseAddress(url);
  const limits = resolveLimits(options.limits);
  const { signal, protocol } = options;
  const target: Target = {
    address,
    trust: trustOf(address, options),
    allowCleartext: options.allowCleartext ?? false,
    limits,
  };
  const timeoutMs = checkTimeout(options.timeoutMs ?? limits.callTimeoutMs);
  const given = options.token ?? address.token;
  const token = given === undefined ? undefined : readToken(given);
  const version1 = (socket: Socket): ProtocolClient => {
    const client = new Version1Client({
      limits,
      maxRequestBytes: address.kind === "tls" ? limits.maxVersion1TlsAnswerBytes : limits.maxVersion1PlainAnswerBytes,
      connect: (abandoned) => reach(target, abandoned),
      events,
    });
    client.use(socket);
    return new Version1ProtocolClient(client, token, timeoutMs, limits);
  };
  if (protocol === 1) return version1(await reach(target, signal));
  const { socket, negotiated } = await greet(target, signal);
  if (negotiated.version === 1) {
    if (protocol === 2) {
      socket.destroy();
      throw new IscepError("protocol", "the server speaks version 1 only, and protocol: 2 was asked for");
    }
    if (negotiated.release().length > 0) {
      socket.destroy();
      throw new IscepError("protocol", "the server sent more than one answer to the greeting");
    }
    return version1(socket);
  }
  const clientFor = (own: string | undefined): Version2Client =>
    new Version2Client({
      limits,
      // Connections of single calls are not reported.
      ...(own === token ? { events } : {}),
      open: async (heard, abandoned) => {
        const again = await greet(target, abandoned);
        if (again.negotiated.version === 2) {
          const { socket: next, negotiated: greeted } = again;
          return new Version2ClientConnection({ socket: next, negotiated: greeted, token: own, limits, ...heard });
        }
        again.socket.destroy();
        throw new IscepError("protocol", "the server spoke version 2 before, and now speaks version 1; connect again");
      },
    });
  const client = clientFor(token);
  client.use(new Version2ClientConnection({ socket, negotiated, token, limits, ...client.events }));
  const clients = new TokenClients(client, token, limits, clientFor);
  return new Version2ProtocolClient({
    version: 2,
    clients,
    limits,
    timeoutMs,
    timeoutIsGiven: options.timeoutMs !== undefined,
  });
}

function reach(
  { address, trust, allowCleartext, limits }: Target,
  signal: AbortSignal | undefined,
  alpnProtocols?: readonly string[],
): Promise<Socket> {
  return dial(address, { trust, allowCleartext, limits, signal, alpnProtocols });
}

async function greet(
  target: Target,
  signal: AbortSignal | undefined,
): Promise<{ readonly socket: Socket; readonly negotiated: Negotiated }> {
  const { limits } = target;
  const startedMs = performance.now();
  const socket = await reach(target, signal, [alpnProtocol]);
  const leftMs = Math.ceil(limits.connectTimeoutMs - (performance.now() - startedMs));
  const isUnix = target.address.kind === "unix";
  const negotiated = await negotiate(socket, { limits, timeoutMs: Math.max(1, leftMs), isUnix, signal });
  return { socket, negotiated };
}

function trustOf(address: Address, options: ConnectOptions): Trust | undefined {
  const { ca, pin } = options;
  const own = ownCertificate(options);
  if (address.kind === "tls") {
    const { host } = address;
    const expected = pin ?? address.pin;
    const trust = trustOptions({
      host,
      ...(ca === undefined ? {} : { ca }),
      ...(expected === undefined ? {} : { pin: expected }),
    });
    // A server may ask for the certificate of each connection, so nothing of an earlier one may stand for it.
    return own === undefined ? trust : { ...trust, connection: { ...trust.connection, ...own }, name: undefined };
  }
  if (ca !== undefined || pin !== undefined || own !== undefined) {
    throw new IscepError(
      "usage",
      "a certificate or pin was given for a cleartext address; use one that begins with iscep://",
    );
  }
  return undefined;
}

/** @throws IscepError `usage` for one without the other, `configuration` for files that are missing or wrong */
function ownCertificate({ certificate, key }: ConnectOptions): { cert: string; key: string } | undefined {
  if (certificate === undefined && key === undefined) return undefined;
  if (certificate === undefined || key === undefined) {
    throw new IscepError(
      "usage",
      "a client certificate and its key belong together; give both (--client-cert FILE --client-key FILE)",
    );
  }
  const { certPem, keyPem } = loadClientCertificate({ cert: certificate, key });
  return { cert: certPem, key: keyPem };
}
