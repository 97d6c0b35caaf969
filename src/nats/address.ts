/**
 * Addresses of services on a broker: `nats://[USER:PASSWORD@]HOST[:4222]/NAME`, or `nats+tls://…` when the connection
 * must use TLS.
 */
import { isIP } from "node:net";
import { IscepError } from "../errors.js";
import { checkServiceName } from "./subjects.js";

const defaultPort = 4222;
const form = "It looks like nats://HOST:4222/NAME, or nats+tls://HOST:4222/NAME";

/** Where a broker is. User and password are the broker's, and have nothing to do with tokens of iscep. */
export interface BrokerAddress {
  /** HOST:PORT of each broker of a cluster, in the order of the address. */
  readonly servers: readonly string[];
  /** The connection must use TLS. */
  readonly tls: boolean;
  readonly user?: string;
  readonly password?: string;
}

export interface ServiceAddress extends BrokerAddress {
  readonly service: string;
}

export function isNatsAddress(text: string): boolean {
  return /^nats(?:\+tls)?:\/\//.test(text);
}

/** @throws IscepError `usage`; its message does not repeat the text, which may contain a password */
export function parseServiceAddress(text: string): ServiceAddress {
  const { service, ...broker } = parse(text);
  if (service === "") throw wrong("the name of the service is missing");
  return { ...broker, service: checkServiceName(service) };
}

/** The address of a broker alone, or with the name of a service behind it. @throws IscepError `usage` */
export function parseBrokerAddress(text: string): BrokerAddress & { readonly service?: string } {
  const { service, ...broker } = parse(text);
  return service === "" ? broker : { ...broker, service: checkServiceName(service) };
}

function parse(text: string): BrokerAddress & { readonly service: string } {
  const parts = /^nats(\+tls)?:\/\/(?:([^/@]*)@)?([^/@?#]+)(?:\/([^/?#]*))?$/.exec(text);
  if (parts === null) throw wrong("it is no address of a broker");
  const [, tls, credentials, hosts = "", service = ""] = parts;
  // A password may have colons.
  const [, user, password] = /^([^:]*)(?::(.*))?$/.exec(credentials ?? "") ?? [];
  return {
    servers: hosts.split(",").map(readHost),
    tls: tls !== undefined,
    service: decode(service),
    ...(user === undefined || user === "" ? {} : { user: decode(user) }),
    ...(password === undefined ? {} : { password: decode(password) }),
  };
}

function readHost(text: string): string {
  let url: URL;
  try {
    // With a scheme that it knows, such as http, URL would leave out the default port.
    url = new URL(`nats://${text}`);
  } catch (error) {
    throw wrong("the host cannot be read", error);
  }
  if (url.hostname === "" || url.port === "0") throw wrong("the host is missing, or its port is 0");
  return `${url.hostname}:${url.port === "" ? defaultPort : url.port}`;
}

/** The address for messages and lists, without user and password. */
export function formatService({ servers, tls }: BrokerAddress, service: string): string {
  return `nats${tls ? "+tls" : ""}://${servers.join(",")}/${service}`;
}

/**
 * @param demandsTls the credentials allow nothing but TLS
 * @throws IscepError `usage` when the network could see what goes to the broker, although no option allows it
 */
export function checkCleartext(address: BrokerAddress, demandsTls: boolean, allowCleartext: boolean): void {
  if (address.tls || demandsTls || allowCleartext || isLocalBroker(address)) return;
  throw new IscepError(
    "usage",
    `nats://${address.servers.join(",")} leaves this machine, perhaps in cleartext: the network would see arguments, output and the broker's password. Use nats+tls://, or say allowCleartext (--allow-cleartext)`,
  );
}

/** True when all brokers of the address are on this machine. */
export function isLocalBroker({ servers }: BrokerAddress): boolean {
  return servers.every((server) => {
    const host = server.slice(0, server.lastIndexOf(":")).replace(/^\[(.*)\]$/, "$1");
    return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
  });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw wrong("it has a % that is not followed by two hex digits", error);
  }
}

function wrong(reason: string, cause?: unknown): IscepError {
  return new IscepError("usage", `the address is wrong: ${reason}. ${form}`, { cause });
}
