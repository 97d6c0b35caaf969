/** All places on which a server listens: its own, and those that its doors asked for. */
import { formatAddress, parseAddress, type ListenPlace } from "../transport/address.js";
import type { AcceptedLink, HttpConnection } from "../doors/built-in-door.js";
import type { AcceptedStream, AcceptOptions, Door } from "../doors/door.js";
import { CertificateEnd } from "./certificate-end.js";
import { checkPlace, placesOf } from "./listen-places.js";
import { sumOfBytes, type PlacesAddress } from "./listeners.js";
import type { ServerOptions } from "./options.js";
import { PacketDoor, type PacketDoorOptions } from "./packet-door.js";
import { StreamDoor } from "./stream-door.js";
import type { ServerCertificate } from "./server-certificate.js";

type SharedOptions = Omit<PacketDoorOptions, "places" | "http" | "nextId">;

export class PacketDoors implements Pick<Door, "drain" | "close"> {
  readonly #serverOptions: ServerOptions;
  #shared: Omit<PacketDoorOptions, "places" | "http">;
  readonly #own: PacketDoor;
  readonly #doors: PacketDoor[];
  /** What doors of users bring. */
  readonly #streams: StreamDoor;
  readonly #links: StreamDoor;
  readonly #certificateEnd: CertificateEnd;

  private constructor(
    serverOptions: ServerOptions,
    shared: Omit<PacketDoorOptions, "places" | "http">,
    own: PacketDoor,
  ) {
    this.#serverOptions = serverOptions;
    this.#shared = shared;
    this.#own = own;
    this.#doors = [own];
    const { streamWindowBytes, maxUnauthenticatedConnections, natsStreamWindowBytes, natsMaxStrangers } =
      shared.host.limits;
    this.#streams = new StreamDoor({
      ...shared,
      streamWindowBytes,
      maxStrangers: maxUnauthenticatedConnections,
    });
    this.#links = new StreamDoor({
      ...shared,
      streamWindowBytes: Math.max(streamWindowBytes, natsStreamWindowBytes),
      maxStrangers: natsMaxStrangers,
    });
    this.#certificateEnd = new CertificateEnd(shared.certificate, shared.host);
  }

  /** @throws IscepError `listen_failed`; then no place is held */
  static async open(serverOptions: ServerOptions, options: SharedOptions): Promise<PacketDoors> {
    let lastId = 0;
    const shared = { ...options, nextId: () => ++lastId };
    const own = await PacketDoor.open({ ...shared, places: placesOf(serverOptions) });
    return new PacketDoors(serverOptions, shared, own);
  }

  /** See `BuiltInDoorServer`. */
  async acceptHttp(
    connected: (connection: HttpConnection) => void,
    places: readonly ListenPlace[] | undefined,
  ): Promise<readonly string[]> {
    if (places === undefined) {
      this.#own.http = connected;
      return this.#own.address.urls.map(httpUrl);
    }
    for (const place of places) checkPlace(place, this.#serverOptions);
    const door = await PacketDoor.open({ ...this.#shared, places: placesOf({ listen: places }), http: connected });
    this.#doors.push(door);
    return door.address.urls.map(httpUrl);
  }

  /** See `DoorServer`. */
  accept(stream: AcceptedStream, options: AcceptOptions): void {
    this.#streams.accept(stream, options);
  }

  /** See `BuiltInDoorServer`. */
  acceptLink(link: AcceptedLink, options: AcceptOptions): void {
    this.#links.accept(link, options);
  }

  get #all(): readonly (PacketDoor | StreamDoor)[] {
    return [...this.#doors, this.#streams, this.#links];
  }

  get address(): PlacesAddress {
    return this.#own.address;
  }

  get connections(): number {
    return this.#all.reduce((sum, { connections }) => sum + connections, 0);
  }

  /** The connections of each door. */
  get connectionsByDoor(): Readonly<Record<string, number>> {
    const counts = {
      version1: 0,
      version2: 0,
      http: 0,
      nats: this.#links.connections,
      stream: this.#streams.connections,
    };
    for (const door of this.#doors) door.countByDoor(counts);
    return counts;
  }

  get bytes(): PacketDoor["bytes"] {
    return sumOfBytes(this.#all);
  }

  /** Called by the server's sweep. */
  checkDeadlines(nowMs: number): void {
    for (const door of this.#all) door.checkDeadlines(nowMs);
  }

  /** Uses this certificate for handshakes from now on. */
  setCertificate(certificate: ServerCertificate): void {
    this.#shared = { ...this.#shared, certificate };
    this.#certificateEnd.use(certificate);
    for (const door of this.#doors) door.setCertificate(certificate);
  }

  /** Accepts no more connections and no more requests. Resolves when the open ones have ended. */
  async drain(): Promise<void> {
    await Promise.all(this.#all.map((door) => door.drain()));
  }

  /** Cuts all open connections. */
  async close(): Promise<void> {
    this.#certificateEnd.close();
    await Promise.all(this.#all.map((door) => door.close()));
  }
}

/** The address of the same place over HTTP. */
function httpUrl(url: string): string {
  const address = parseAddress(url);
  if (address.kind === "unix") return `http+unix://${encodeURIComponent(address.path)}/`;
  const { host, port, kind } = address;
  const bare = formatAddress({ kind: "tcp", host, port }).replace("iscep+tcp://", "");
  return `${kind === "tls" ? "https" : "http"}://${bare}/`;
}
