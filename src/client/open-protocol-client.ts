/** Opens a connection to an address, on which both sides know the version that they speak. */
import type { Socket } from "node:net";
import { IscepError } from "../errors.js";
import { loadClientCertificate } from "../identity/certificates.js";
import { readToken } from "../identity/tokens.js";
import { trustOptions, type Trust } from "../identity/trust.js";
import { resolveLimits, type Limits } from "../limits/limits.js";
import { alpnProtocol } from "../session/version2-hello.js";
import { isNatsAddress } from "../nats/address.js";
import { natsCredentialNames } from "../nats/credentials.js";
import { refuseUnknownOption } from "../text/unknown-option.js";
import { parseAddress, type Address } from "../transport/address.js";
import { dial } from "../transport/dial.js";
import type { ConnectionEvents } from "./protocol/connection-events.js";
import { checkTimeout } from "./protocol/call-timeout.js";
import { negotiate, type Negotiated } from "./protocol/negotiate.js";
import type { ConnectOptions } from "./protocol/options.js";
import type { ProtocolClient } from "./protocol/protocol-client.js";
import { Version1Client } from "./version1/client.js";
import { Version1ProtocolClient } from "./version1/protocol-client.js";
import { openVersion2 } from "./version2/open.js";

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
  if (isNatsAddress(url)) return openClusterClient(url, options, events);
  if (options.nats !== undefined) {
    throw new IscepError("usage", "`nats` is for a broker, whose address looks like nats://HOST:4222/NAME");
  }
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
  return openVersion2({
    limits,
    token,
    timeoutMs,
    timeoutIsGiven: options.timeoutMs !== undefined,
    events,
    first: { socket, negotiated },
    greet: (abandoned) => greet(target, abandoned),
  });
}

/** The code for NATS is loaded only here, for the clients that need it. */
async function openClusterClient(
  url: string,
  options: ConnectOptions,
  events: ConnectionEvents,
): Promise<ProtocolClient> {
  const { ca, pin, certificate, key, protocol, token, timeoutMs, signal, allowCleartext, nats = {} } = options;
  const ofTls = [ca, pin, certificate, key].some((given) => given !== undefined);
  if (ofTls || protocol === 1) {
    const what = ofTls
      ? "`ca`, `pin`, `certificate` and `key` are for a server; a broker takes `nats`"
      : "NATS carries version 2";
    throw new IscepError("usage", `${what}; change the options, or the address`);
  }
  refuseUnknownOption("nats of connect()", nats, natsCredentialNames);
  const limits = resolveLimits(options.limits);
  const checkedTimeoutMs = checkTimeout(timeoutMs ?? limits.callTimeoutMs);
  const checkedToken = token === undefined ? undefined : readToken(token);
  const { ClusterClient, openService } = await import("./cluster/index.js");
  return new ClusterClient({
    service: await openService(url, { credentials: nats, limits, signal, allowCleartext }),
    limits,
    token: checkedToken,
    timeoutMs: checkedTimeoutMs,
    timeoutIsGiven: timeoutMs !== undefined,
    events,
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
    // A server may ask for the certificate on each connection, so no TLS session of an earlier one may take its place.
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
