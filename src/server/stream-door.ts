/** Streams of bytes that a door of the server brings: each is a connection of version 2. */
import type { Connection, ConnectionHost } from "../doors/connection.js";
import type { AcceptedStream, AcceptOptions, Door } from "../doors/door.js";
import type { InProcessHost } from "../doors/in-process/host.js";
import { refuse } from "../doors/version1/refuse.js";
import { Version2Connection } from "../doors/version2/connection.js";
import { suppressedText } from "../logs/counted-refusals.js";
import type { Limits } from "../limits/limits.js";
import { LineRate } from "../logs/line-rate.js";
import type { PacketDoorOptions } from "./packet-door.js";

export type StreamDoorOptions = Pick<PacketDoorOptions, "admission" | "nextId" | "authenticatorOf"> & {
  readonly host: InProcessHost;
  /** How many connections may have shown no good token yet. */
  readonly maxStrangers: number;
  readonly streamWindowBytes: number;
};

export class StreamDoor implements Pick<Door, "drain" | "close"> {
  readonly #options: StreamDoorOptions;
  /** The limits of its connections. */
  readonly #limits: Limits;
  readonly #connections = new Map<Connection, AcceptedStream>();
  /**
   * Connections that have shown no good token yet, the oldest first. Their peers may have no address by which they could
   * be counted.
   */
  readonly #strangers = new Set<Connection>();
  readonly #refused: LineRate;
  readonly #closedBytes = { receivedBytes: 0, sentBytes: 0 };
  #isDraining = false;

  constructor(options: StreamDoorOptions) {
    this.#options = options;
    this.#limits = { ...options.host.limits, streamWindowBytes: options.streamWindowBytes };
    this.#refused = new LineRate(options.host.limits);
  }

  /** See `DoorServer`. */
  accept(stream: AcceptedStream, { source }: AcceptOptions): void {
    const { host, admission, nextId, authenticatorOf } = this.#options;
    const { limits, logs, metrics } = host;
    const refusal = this.#refusal(stream, source);
    if (refusal !== undefined) {
      metrics.refusedConnections++;
      const line = this.#refused.take(source, performance.now());
      if (line !== undefined) {
        const reason = refusal + suppressedText(line.suppressed);
        logs?.access({ event: "refused", connection: 0, source, reason });
      }
      refuse(stream, refusal, limits.lingerTimeoutMs);
      return;
    }
    metrics.connections++;
    const id = nextId();
    logs?.access({ event: "open", connection: id, source });
    const { authenticator } = authenticatorOf(stream, source);
    const connectionHost: ConnectionHost = {
      ...host,
      limits: this.#limits,
      authenticator,
      endPointBinding: false,
      awaited: (connection) => this.#awaited(connection),
      arrived: (connection) => this.#strangers.delete(connection),
      closed: (connection) => {
        this.#closed(connection);
        admission.released(source, false);
      },
    };
    const why = authenticator?.refusal();
    if (why !== undefined) host.logRefusedPacket("unauthorized", why, id, source);
    const connection = new Version2Connection(id, stream, source, connectionHost);
    this.#connections.set(connection, stream);
  }

  /** Why the stream is not accepted. undefined: it is accepted, and has its place. */
  #refusal(stream: AcceptedStream, source: string): string | undefined {
    const { admission } = this.#options;
    if (this.#isDraining) return "the server closes";
    const decision = admission.admit(source, performance.now());
    if (decision.verdict === "admit") return undefined;
    if (decision.verdict !== "refuse") return "the server is full; try again later";
    stream.once("close", () => admission.released(source, true));
    return decision.reason;
  }

  #awaited(connection: Connection): void {
    this.#strangers.add(connection);
    if (this.#strangers.size <= this.#options.maxStrangers) return;
    const [oldest] = this.#strangers;
    if (oldest === undefined) return;
    this.#strangers.delete(oldest);
    oldest.cut("it had shown no token, and its place was needed for another connection");
  }

  #closed(connection: Connection): void {
    const stream = this.#connections.get(connection);
    this.#connections.delete(connection);
    this.#strangers.delete(connection);
    if (stream === undefined) return;
    this.#closedBytes.receivedBytes += stream.bytesRead;
    this.#closedBytes.sentBytes += stream.bytesWritten;
  }

  get connections(): number {
    return this.#connections.size;
  }

  get bytes(): { readonly receivedBytes: number; readonly sentBytes: number } {
    let { receivedBytes, sentBytes } = this.#closedBytes;
    for (const { bytesRead, bytesWritten } of this.#connections.values()) {
      receivedBytes += bytesRead;
      sentBytes += bytesWritten;
    }
    return { receivedBytes, sentBytes };
  }

  /** Called by the server's sweep. */
  checkDeadlines(nowMs: number): void {
    for (const connection of this.#connections.keys()) connection.checkDeadlines(nowMs);
  }

  /** Accepts no more streams. Resolves when the open ones have ended. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    for (const connection of this.#connections.keys()) connection.close();
    await Promise.all([...this.#connections.keys()].map((connection) => connection.whenClosed()));
  }

  /** Cuts all that are open. */
  async close(): Promise<void> {
    this.#isDraining = true;
    const closed = [...this.#connections.keys()].map((connection) => connection.whenClosed());
    for (const connection of this.#connections.keys()) connection.cut("the server closed");
    await Promise.all(closed);
  }
}
