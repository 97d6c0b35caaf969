/** The door of versions 1 and 2. It listens, admits connections, and gives each to the version that it speaks. */
import { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { systemCodeOf } from "../files/system-code.js";
import type { Connection, ConnectionHost, GreetedConnectionHost } from "../doors/connection.js";
import type { HttpConnection } from "../doors/built-in-door.js";
import type { Door } from "../doors/door.js";
import { refuseHttp } from "../doors/http/answer/refuse.js";
import type { InProcessHost } from "../doors/in-process/host.js";
import { Version1Connection } from "../doors/version1/connection.js";
import { refuse } from "../doors/version1/refuse.js";
import { Version2Connection } from "../doors/version2/connection.js";
import { IscepError } from "../errors.js";
import { sourceKey } from "../identity/source.js";
import { suppressedText } from "../logs/counted-refusals.js";
import { LineRate } from "../logs/line-rate.js";
import type { Authenticator } from "../model/identity.js";
import { alpnProtocol } from "../session/version2-hello.js";
import type { ByteStream } from "../transport/byte-stream.js";
import type { Admission } from "./admission.js";
import { LentConnection } from "./lent-connection.js";
import { Listeners, type PlacesAddress } from "./listeners.js";
import type { ListenPlace } from "../transport/address.js";
import type { ServerCertificate } from "./server-certificate.js";

export interface PacketDoorOptions {
  readonly host: InProcessHost;
  /** Only HTTP is spoken here, and this takes the connections. */
  readonly http?: HttpTaker;
  readonly admission: Admission;
  readonly places: readonly ListenPlace[];
  readonly certificate: ServerCertificate | undefined;
  readonly endPointBinding: boolean;
  /** The number of the next connection of the server. */
  nextId(): number;
  /** Decides who may speak on this connection, where a client certificate may count. */
  authenticatorOf(
    socket: ByteStream,
    source: string,
  ): { readonly authenticator: Authenticator | undefined; readonly showedCertificate: boolean };
}

type HttpTaker = (connection: HttpConnection) => void;

const httpProtocol = "http/1.1";

export class PacketDoor implements Pick<Door, "drain" | "close"> {
  readonly #options: PacketDoorOptions;
  #http: HttpTaker | undefined;
  /** The authenticator of connections without a certificate of their own. */
  readonly #tokensHost: GreetedConnectionHost;
  readonly #refused: LineRate;
  readonly #connections = new Set<Connection>();
  #listeners: Listeners | undefined;

  private constructor(options: PacketDoorOptions) {
    this.#options = options;
    this.#http = options.http;
    this.#refused = new LineRate(options.host.limits);
    this.#tokensHost = this.#hostOf(options.host.authenticator);
  }

  #hostOf(authenticator: Authenticator | undefined): GreetedConnectionHost {
    const { admission, endPointBinding } = this.#options;
    const host: GreetedConnectionHost = {
      ...this.#options.host,
      authenticator,
      endPointBinding,
      awaited: (connection) => admission.awaited(connection),
      arrived: (connection) => admission.arrived(connection),
      closed: (connection) => this.#connections.delete(connection),
      servesHttp: () => this.#http !== undefined,
      greeted: (connection, socket, greeting) => {
        this.#connections.delete(connection);
        const { id, source } = connection;
        this.#connections.add(new Version2Connection(id, socket, source, host, greeting));
      },
      askedByHttp: (connection, socket, bytes) => {
        this.#connections.delete(connection);
        this.#lend(connection.id, socket, connection.source, host, bytes);
      },
    };
    return host;
  }

  /** From now on, connections that begin as HTTP does are given to this. */
  set http(taker: HttpTaker) {
    if (this.#http !== undefined) throw new IscepError("usage", "another door has the HTTP of this server already");
    this.#http = taker;
  }

  #lend(id: number, socket: ByteStream, source: string, host: ConnectionHost, bytes?: Buffer): void {
    if (this.#http === undefined || !(socket instanceof Socket)) {
      socket.destroy();
      return;
    }
    const connection = new LentConnection(id, socket, source, socket instanceof TLSSocket, host, this.#options.host);
    this.#connections.add(connection);
    if (bytes !== undefined) socket.unshift(bytes);
    this.#http(connection);
    // The first bytes may have been too much for one turn, which has paused the socket.
    socket.resume();
  }

  /** @throws IscepError `listen_failed`; then no place is held */
  static async open(options: PacketDoorOptions): Promise<PacketDoor> {
    const door = new PacketDoor(options);
    const { limits, authenticator } = options.host;
    door.#listeners = await Listeners.open(options.places, {
      certificate: options.certificate,
      backlog: limits.listenBacklog,
      tlsHandshakeTimeoutMs: limits.tlsHandshakeTimeoutMs,
      admit: (source) => door.#admit(source),
      released: (source, refused) => options.admission.released(source, refused),
      // Peers in a silent handshake have no token either.
      handshakeBegan: (handshake) => {
        if (authenticator !== undefined) options.admission.awaited(handshake);
      },
      handshakeOver: (handshake) => options.admission.arrived(handshake),
      onConnection: (socket, source, refusal, tls) => door.#connected(socket, source, refusal, tls),
      alpnProtocols: () => door.#alpnProtocols(),
      onTlsFailure: (source, error) => options.host.logRefusedPacket("malformed", tlsFault(error), 0, source),
    });
    return door;
  }

  #alpnProtocols(): readonly string[] {
    if (this.#options.http !== undefined) return [httpProtocol];
    return this.#http === undefined ? [alpnProtocol] : [alpnProtocol, httpProtocol];
  }

  get address(): PlacesAddress {
    return this.#listeners?.address ?? { url: "", urls: [] };
  }

  get connections(): number {
    return this.#connections.size;
  }

  get bytes(): Listeners["bytes"] {
    return this.#listeners?.bytes ?? { receivedBytes: 0, sentBytes: 0 };
  }

  /** Adds its connections to these counts. */
  countByDoor(counts: Record<string, number>): void {
    for (const connection of this.#connections) {
      const door =
        connection instanceof Version2Connection
          ? "version2"
          : connection instanceof Version1Connection
            ? "version1"
            : "http";
      counts[door] = (counts[door] ?? 0) + 1;
    }
  }

  #admit(source: string): ReturnType<Admission["admit"]> {
    const { host, admission } = this.#options;
    const { logs } = host;
    const decision = admission.admit(source, performance.now());
    if (decision.verdict === "admit") host.metrics.connections++;
    else host.metrics.refusedConnections++;
    if (decision.verdict === "admit" || logs === undefined) return decision;
    const line = this.#refused.take(sourceKey(source), performance.now());
    const reason = decision.verdict === "refuse" ? decision.reason : "dropped";
    if (line !== undefined) {
      logs.access({ event: "refused", connection: 0, source, reason: reason + suppressedText(line.suppressed) });
    }
    return decision;
  }

  #connected(socket: Socket, source: string, refusal: string | undefined, tls: boolean): void {
    const { limits, logs, authenticator: tokens } = this.#options.host;
    const isHttp =
      this.#options.http !== undefined || (socket instanceof TLSSocket && socket.alpnProtocol === httpProtocol);
    if (refusal !== undefined) {
      if (isHttp) refuseHttp(socket, refusal, limits.lingerTimeoutMs);
      else refuse(socket, refusal, limits.lingerTimeoutMs);
      return;
    }
    const id = this.#options.nextId();
    logs?.access({ event: "open", connection: id, source, ...portOf(socket), tls });
    const { authenticator, showedCertificate } = this.#options.authenticatorOf(socket, source);
    const host = authenticator === tokens ? this.#tokensHost : this.#hostOf(authenticator);
    const why = authenticator?.refusal();
    if (why !== undefined) host.logRefusedPacket("unauthorized", why, id, source);
    if (why !== undefined && showedCertificate) host.failedToken(source);
    if (isHttp) {
      this.#lend(id, socket, source, host);
      return;
    }
    const connection = choseVersion2(socket)
      ? new Version2Connection(id, socket, source, host)
      : new Version1Connection(id, socket, source, tls, host);
    this.#connections.add(connection);
  }

  /** Called by the server's sweep. */
  checkDeadlines(nowMs: number): void {
    for (const connection of this.#connections) connection.checkDeadlines(nowMs);
  }

  /** Uses this certificate for handshakes from now on. */
  setCertificate(certificate: ServerCertificate): void {
    this.#listeners?.setCertificate(certificate);
  }

  /** Accepts no more connections and no more requests. Resolves when the open ones have ended. */
  async drain(): Promise<void> {
    this.#listeners?.stopAccepting();
    for (const connection of this.#connections) connection.close();
    await Promise.all([...this.#connections].map((connection) => connection.whenClosed()));
  }

  /** Cuts all open connections. */
  async close(): Promise<void> {
    await this.#listeners?.close();
  }
}

/** The text of OpenSSL has addresses and file names of its source. Its code says as much. */
function tlsFault(error: Error): string {
  return `TLS: ${systemCodeOf(error) ?? error.message}`;
}

function portOf(socket: Socket): { port?: number } {
  return socket.remotePort === undefined ? {} : { port: socket.remotePort };
}

/** True when the TLS handshake chose version 2: then the connection begins with HELLO. */
function choseVersion2(socket: ByteStream): boolean {
  return socket instanceof TLSSocket && socket.alpnProtocol === alpnProtocol;
}
