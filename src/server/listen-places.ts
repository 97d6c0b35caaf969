/** Finds where a server listens, and whether its options make that safe. */
import { resolve } from "node:path";
import { IscepError } from "../errors.js";
import { defaultHost, defaultPort, isLoopbackHost, type ListenPlace } from "../transport/address.js";
import type { ServerOptions } from "./options.js";

type PlaceOptions = Pick<ServerOptions, "listen" | "host" | "port" | "unix">;

export function placesOf({
  listen,
  host = defaultHost,
  port = defaultPort,
  unix,
}: PlaceOptions): readonly ListenPlace[] {
  const places = listen ?? [unix === undefined ? { host, port } : { unix }];
  // The path becomes absolute, because the process may change its folder.
  return places.map((place) => ("unix" in place ? { unix: resolve(place.unix) } : place));
}

/** @throws IscepError `usage` when options contradict each other, or open the server to others without saying so */
export function checkPlaces(options: ServerOptions): void {
  const { listen, unix, host, port, tls } = options;
  const alone = host !== undefined || port !== undefined;
  if (unix !== undefined && alone) throw new IscepError("usage", "give either `unix`, or `host` and `port`");
  if (listen !== undefined && (unix !== undefined || alone))
    throw new IscepError("usage", "give either `listen`, or one place by `host` and `port` or by `unix`");
  const places = placesOf(options);
  if (places.every((place) => "unix" in place) && (typeof tls === "object" || tls === true))
    throw new IscepError("usage", "a unix socket carries no TLS; its file's mode guards it. Leave `tls` out");
  for (const place of places) checkPlace(place, options);
}

/** @throws IscepError `usage` when the place would be open to others without an option that says so */
export function checkPlace(place: ListenPlace, { tls, tokens, allowCleartext = false }: ServerOptions): void {
  if ("unix" in place) return;
  const { host, port } = place;
  if (!(Number.isInteger(port) && port >= 0 && port <= 65_535))
    throw new IscepError("usage", `port must be a whole number from 0 to 65535, not ${String(port)}`);
  if (isLoopbackHost(host)) return;
  if (tls === false && !allowCleartext) {
    throw new IscepError(
      "usage",
      `cleartext on ${host} would show tokens and data to the network; use TLS, or say allowCleartext (--allow-cleartext)`,
    );
  }
  if (tokens === undefined) {
    throw new IscepError(
      "usage",
      `without tokens everybody who reaches ${host} could run the commands; give a tokens file, or say tokens: false (--no-auth)`,
    );
  }
}
