/** Opens and closes all places of one server together. */
import { defaultPort, formatAddress, type ListenPlace } from "../transport/address.js";
import { Listener, type ListenerOptions } from "../transport/listener.js";
import type { ListeningServer } from "./options.js";
import type { ServerCertificate } from "./server-certificate.js";

interface ListenersOptions extends Omit<ListenerOptions, "endpoint" | "certificate" | "onConnection"> {
  /** TLS for the places that are not unix sockets. */
  readonly certificate: ServerCertificate | undefined;
  onConnection(...parameters: [...Parameters<ListenerOptions["onConnection"]>, tls: boolean]): void;
}

export class Listeners {
  readonly #listeners: readonly Listener[];
  readonly address: PlacesAddress;

  private constructor(listeners: readonly Listener[], address: PlacesAddress) {
    this.#listeners = listeners;
    this.address = address;
  }

  /** @throws IscepError `listen_failed`; then no place is held */
  static async open(places: readonly ListenPlace[], options: ListenersOptions): Promise<Listeners> {
    const listeners: Listener[] = [];
    const addresses: PlaceAddress[] = [];
    try {
      for (const place of places) {
        const certificate = "unix" in place ? undefined : options.certificate;
        const listener = new Listener({
          ...options,
          endpoint: place,
          certificate,
          onConnection: (socket, source, refusal) =>
            options.onConnection(socket, source, refusal, certificate !== undefined),
        });
        listeners.push(listener);
        addresses.push(addressOf(place, await listener.listen(), certificate));
      }
    } catch (error) {
      await Promise.all(listeners.map((listener) => listener.close()));
      throw error;
    }
    const [first = { url: "" }] = addresses;
    return new Listeners(listeners, { ...first, urls: addresses.map(({ url }) => url) });
  }

  get bytes(): Listener["bytes"] {
    return sumOfBytes(this.#listeners);
  }

  setCertificate(certificate: ServerCertificate): void {
    for (const listener of this.#listeners) listener.setCertificate(certificate);
  }

  /** Accepts no more connections. Open connections go on. */
  stopAccepting(): void {
    for (const listener of this.#listeners) listener.stopAccepting();
  }

  /** Cuts all open connections. Resolves when nothing is held any more. */
  async close(): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.close()));
  }
}

export function sumOfBytes(parts: readonly Pick<Listener, "bytes">[]): Listener["bytes"] {
  let [receivedBytes, sentBytes] = [0, 0];
  for (const { bytes } of parts) {
    receivedBytes += bytes.receivedBytes;
    sentBytes += bytes.sentBytes;
  }
  return { receivedBytes, sentBytes };
}

export type PlacesAddress = Omit<ListeningServer, "doorUrls">;
type PlaceAddress = Omit<PlacesAddress, "urls">;

function addressOf(
  place: ListenPlace,
  port: number | undefined,
  certificate: ServerCertificate | undefined,
): PlaceAddress {
  if ("unix" in place) return { url: formatAddress({ kind: "unix", path: place.unix }) };
  const host = place.host === "0.0.0.0" ? "127.0.0.1" : place.host === "::" ? "::1" : place.host;
  const reachable = { host, port: port ?? defaultPort };
  if (certificate === undefined) return { url: formatAddress({ kind: "tcp", ...reachable }), port: reachable.port };
  const { pin } = certificate;
  return { url: formatAddress({ kind: "tls", ...reachable, pin }), port: reachable.port, pin };
}
