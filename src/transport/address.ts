/** Addresses: `iscep://[OWNER:TOKEN@]HOST[:8989][?pin=sha256:…[&pin=…]]` is TLS, `iscep+tcp://…` cleartext, `iscep+unix:///PATH` a socket. */
import { isIP } from "node:net";
import { IscepError } from "../errors.js";

export const defaultHost = "127.0.0.1";
export const defaultPort = 8989;

/** Where a server listens. With port 0 the system picks a free one. */
export type ListenPlace = { readonly host: string; readonly port: number } | { readonly unix: string };

export type Address = (
  | { readonly kind: "tls"; readonly host: string; readonly port: number; readonly pin?: string | readonly string[] }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string }
) & { readonly owner?: string; readonly token?: string };

/**
 * @throws IscepError `usage` that names the forms of an address; it does not repeat the wrong text, which may have a
 *   token
 */
export function parseAddress(text: string): Address {
  const scheme = /^(iscep|iscep\+tcp|iscep\+unix):\/\//.exec(text)?.[1];
  if (scheme === undefined)
    throw wrong(
      "it must begin with iscep://, iscep+tcp:// or iscep+unix://, or with nats:// where instances of a service are called",
    );
  let url: URL;
  try {
    // A URL cannot have credentials before an empty host. A unix socket has no host, so one is inserted.
    url = new URL(
      scheme === "iscep+unix" ? text.replace(/^(iscep\+unix:\/\/)([^/]*@)?(localhost)?\//, "$1$2localhost/") : text,
    );
  } catch {
    throw wrong("it is no URL");
  }
  if (url.hash !== "") throw wrong("a # has no meaning in it");
  const credentials = {
    ...(url.username === "" ? {} : { owner: decode(url.username) }),
    ...(url.password === "" ? {} : { token: decode(url.password) }),
  };
  for (const name of url.searchParams.keys()) {
    if (name !== "pin" || scheme !== "iscep") throw wrong("after ? it may only have a pin, and only with iscep://");
  }
  if (scheme === "iscep+unix") {
    if (url.host !== "localhost") throw wrong("a unix socket has three slashes: iscep+unix:///run/service.sock");
    const path = decode(url.pathname);
    if (path === "/" || path.includes("\0")) throw wrong("the path of the socket is missing");
    return { kind: "unix", path, ...credentials };
  }
  if (url.pathname !== "" && url.pathname !== "/") throw wrong("it has no path");
  if (url.hostname === "") throw wrong("the host is missing");
  const host = decode(url.hostname).replace(/^\[(.*)\]$/, "$1");
  const port = url.port === "" ? defaultPort : Number(url.port);
  if (port === 0) throw wrong("port 0 cannot be connected to");
  if (scheme === "iscep+tcp") return { kind: "tcp", host, port, ...credentials };
  const [pin, ...more] = url.searchParams.getAll("pin");
  if (pin === undefined) return { kind: "tls", host, port, ...credentials };
  return { kind: "tls", host, port, ...credentials, pin: more.length === 0 ? pin : [pin, ...more] };
}

export function formatAddress(address: Address): string {
  const credentials =
    address.token === undefined
      ? ""
      : `${encodeURIComponent(address.owner ?? "")}:${encodeURIComponent(address.token)}@`;
  if (address.kind === "unix") {
    return `iscep+unix://${credentials}${address.path.split("/").map(encodeURIComponent).join("/")}`;
  }
  const host = isIP(address.host) === 6 ? `[${address.host}]` : address.host;
  const scheme = address.kind === "tls" ? "iscep" : "iscep+tcp";
  const pins = address.kind === "tls" ? [address.pin ?? []].flat() : [];
  const query = pins.length === 0 ? "" : `?${pins.map((pin) => `pin=${pin}`).join("&")}`;
  return `${scheme}://${credentials}${host}:${address.port}${query}`;
}

/** True when only this machine can reach the host. Names are not looked up, because their address may change. */
export function isLoopbackHost(host: string): boolean {
  const bare = host.toLowerCase().replace(/^::ffff:/, "");
  return bare === "localhost" || bare === "::1" || (isIP(bare) === 4 && bare.startsWith("127."));
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw wrong("it has a % that is not followed by two hex digits", error);
  }
}

function wrong(reason: string, cause?: unknown): IscepError {
  return new IscepError(
    "usage",
    `the address is wrong: ${reason}. It looks like iscep://HOST:8989?pin=sha256:…, iscep+tcp://HOST:8989 or iscep+unix:///PATH`,
    { cause },
  );
}
