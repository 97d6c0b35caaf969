/** The other side as bytes: a client or a server that does exactly what a test says, the wrong things too. */
import { once } from "node:events";
import { connect as connectNet, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { later } from "./cleanup.js";
import { splitPackets, type RawPacket } from "./raw-packets.js";

/** One end of a connection. Packets are kept until somebody asks for them. */
export class RawPeer {
  readonly socket: Socket;
  readonly packets: RawPacket[] = [];
  /** Resolves when the socket is closed, however it ended. */
  readonly closed: Promise<void>;
  receivedBytes = 0;
  #rest: Buffer = Buffer.alloc(0);
  #ended = false;
  #fault: Error | undefined;
  #taken = 0;
  #notify: (() => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
    socket.on("data", (chunk: Buffer) => this.#received(chunk));
    socket.on("end", () => this.#over());
    socket.on("error", () => this.#over());
    socket.on("close", () => this.#over());
  }

  #received(chunk: Buffer): void {
    this.receivedBytes += chunk.length;
    try {
      const { packets, rest } = splitPackets(Buffer.concat([this.#rest, chunk]));
      this.#rest = rest;
      this.packets.push(...packets);
    } catch (error) {
      this.#fault = error as Error;
    }
    this.#wake();
  }

  #over(): void {
    this.#ended = true;
    this.#wake();
  }

  #wake(): void {
    for (const notify of this.#notify.splice(0)) notify();
  }

  send(...chunks: Buffer[]): this {
    for (const chunk of chunks) this.socket.write(chunk);
    return this;
  }

  /** Each chunk in a write of its own, as far as the system lets us say so. */
  async sendApart(chunks: Iterable<Buffer>): Promise<void> {
    for (const chunk of chunks) {
      if (this.socket.destroyed || this.socket.writableEnded) return;
      this.socket.write(chunk);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** The next packet; undefined when the other side has ended. */
  async next(): Promise<RawPacket | undefined> {
    while (this.#taken === this.packets.length && !this.#ended && this.#fault === undefined) await this.#more();
    if (this.#fault !== undefined) throw this.#fault;
    const packet = this.packets[this.#taken];
    if (packet !== undefined) this.#taken++;
    return packet;
  }

  /** The next packet, and it must come. */
  async answer(): Promise<RawPacket> {
    const packet = await this.next();
    if (packet === undefined) throw new Error("the connection ended without an answer");
    return packet;
  }

  /** All that still comes until the other side ends. */
  async rest(): Promise<RawPacket[]> {
    const packets: RawPacket[] = [];
    for (let packet = await this.next(); packet !== undefined; packet = await this.next()) packets.push(packet);
    return packets;
  }

  /** Until so many packets are there in all, or the other side has ended. */
  async until(count: number): Promise<readonly RawPacket[]> {
    while (this.packets.length < count && !this.#ended && this.#fault === undefined) await this.#more();
    if (this.#fault !== undefined) throw this.#fault;
    return this.packets;
  }

  get ended(): boolean {
    return this.#ended;
  }

  #more(): Promise<void> {
    return new Promise((resolve) => this.#notify.push(resolve));
  }

  async destroy(): Promise<void> {
    this.socket.destroy();
    await this.closed;
  }
}

export interface RawTarget {
  readonly port?: number | undefined;
  readonly path?: string;
  readonly tls?: boolean;
}

/** Checks no certificate: what it talks to was started by the test itself. */
export async function rawClient(target: RawTarget): Promise<RawPeer> {
  const where = target.path === undefined ? { host: "127.0.0.1", port: target.port ?? 0 } : { path: target.path };
  const socket =
    target.tls === true
      ? connectTls({ ...where, rejectUnauthorized: false })
      : connectNet({ ...where, noDelay: true, allowHalfOpen: true });
  socket.setNoDelay(true);
  const peer = new RawPeer(socket);
  later(() => peer.destroy());
  await once(socket, target.tls === true ? "secureConnect" : "connect");
  return peer;
}

export interface RawServer {
  readonly port: number;
  readonly url: string;
  /** Connections in the order in which they came. */
  readonly peers: RawPeer[];
  close(): Promise<void>;
}

/** A server of bytes on a port of its own; `serve` is called for each connection. */
export async function rawServer(serve: (peer: RawPeer, index: number) => unknown, port = 0): Promise<RawServer> {
  const peers: RawPeer[] = [];
  const faults: unknown[] = [];
  const server = createServer({ noDelay: true }, (socket) => {
    const peer = new RawPeer(socket);
    peers.push(peer);
    Promise.resolve(serve(peer, peers.length - 1)).catch((error: unknown) => faults.push(error));
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const bound = (server.address() as AddressInfo).port;
  const raw: RawServer = {
    port: bound,
    url: `iscep+tcp://127.0.0.1:${bound}`,
    peers,
    close: () => closeServer(server, peers, faults),
  };
  later(raw.close);
  return raw;
}

async function closeServer(server: Server, peers: readonly RawPeer[], faults: unknown[]): Promise<void> {
  const closed = server.listening ? once(server, "close") : Promise.resolve();
  if (server.listening) server.close();
  await Promise.all(peers.map((peer) => peer.destroy()));
  await closed;
  if (faults.length > 0) throw new AggregateError(faults.splice(0), "the script of the raw server failed");
}
