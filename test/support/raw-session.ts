/** Version 2 written by hand, from the description of the packets: no codec of ours reads or writes here. */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect as connectNet, createServer, type AddressInfo, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { later } from "./cleanup.js";
import { rawPacket } from "./raw-packets.js";
import type { TestServer } from "./servers.js";

export const HELLO = 7;
export const MESSAGES = 8;
export const DATA = 9;

export type Message = Readonly<Record<string, unknown>>;

export function packet2(type: number, content: string | Buffer): Buffer {
  const body = Buffer.from(content as string);
  const packet = Buffer.alloc(6 + body.length + 32);
  packet.writeUInt32BE(packet.length - 4);
  packet.writeUInt16BE(type, 4);
  body.copy(packet, 6);
  createHash("sha256")
    .update(packet.subarray(4, -32))
    .digest()
    .copy(packet, packet.length - 32);
  return packet;
}

export function messages(...list: unknown[]): Buffer {
  return packet2(MESSAGES, JSON.stringify(list));
}

export function request(id: unknown, method: string, params: unknown = {}): Message {
  return { jsonrpc: "2.0", id, method, params };
}

export function notification(method: string, params: unknown = {}): Message {
  return { jsonrpc: "2.0", method, params };
}

export function data(stream: number, channel: number, offset: number, bytes: Buffer): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(stream);
  header[4] = channel;
  header.writeBigUInt64BE(BigInt(offset), 5);
  return packet2(DATA, Buffer.concat([header, bytes]));
}

export interface Packet2 {
  readonly type: number;
  readonly content: Buffer;
}

/** Takes whole packets off the front, and looks at no hash: HELLO of a client has another than the rest. */
export function split2(bytes: Buffer): { packets: Packet2[]; rest: Buffer } {
  const packets: Packet2[] = [];
  let offset = 0;
  while (bytes.length - offset >= 4) {
    const size = bytes.readUInt32BE(offset);
    if (bytes.length - offset < 4 + size) break;
    packets.push({
      type: bytes.readUInt16BE(offset + 4),
      content: Buffer.from(bytes.subarray(offset + 6, offset + 4 + size - 32)),
    });
    offset += 4 + size;
  }
  return { packets, rest: bytes.subarray(offset) };
}

export function helloPacket(content: unknown = { versions: [2], nonce: nonce(), agent: "test" }): Buffer {
  return rawPacket(HELLO, content);
}

export function nonce(): string {
  return randomBytes(32).toString("base64url");
}

export class RawSession {
  readonly socket: Socket;
  readonly packets: Packet2[] = [];
  readonly messages: Message[] = [];
  readonly closed: Promise<void>;
  ended = false;
  #rest: Buffer = Buffer.alloc(0);
  #notify: (() => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      const { packets, rest } = split2(Buffer.concat([this.#rest, chunk]));
      this.#rest = rest;
      this.packets.push(...packets);
      for (const { type, content } of packets) {
        if (type === MESSAGES) this.messages.push(...(JSON.parse(content.toString()) as Message[]));
      }
      this.#wake();
    });
    for (const event of ["end", "close"]) {
      socket.on(event, () => {
        this.ended = true;
        this.#wake();
      });
    }
  }

  #wake(): void {
    for (const notify of this.#notify.splice(0)) notify();
  }

  send(...chunks: Buffer[]): this {
    for (const chunk of chunks) if (this.socket.writable) this.socket.write(chunk);
    return this;
  }

  async until(done: () => boolean): Promise<void> {
    while (!done()) {
      if (this.ended) throw new Error(`the connection ended before; messages: ${JSON.stringify(this.messages)}`);
      await new Promise<void>((resolve) => this.#notify.push(resolve));
    }
  }

  /** The response to a request. */
  async response(id: number): Promise<Message> {
    const find = () => this.messages.find((message) => message["id"] === id);
    await this.until(() => find() !== undefined);
    return find()!;
  }

  /** What the server said before it closed. */
  async goaway(): Promise<Record<string, unknown> | undefined> {
    await this.until(() => this.ended).catch(() => {});
    const last = this.messages.find(({ method }) => method === "goaway");
    return last?.["params"] as Record<string, unknown> | undefined;
  }

  async destroy(): Promise<void> {
    this.socket.destroy();
    await this.closed;
  }
}

/** A connection to the server, greeted; the server has no tokens. */
export async function rawSession(server: Pick<TestServer, "port" | "tls">, greet = true): Promise<RawSession> {
  const where = { host: "127.0.0.1", port: server.port ?? 0 };
  const socket = server.tls ? connectTls({ ...where, rejectUnauthorized: false }) : connectNet(where);
  const session = new RawSession(socket);
  later(() => session.destroy());
  await once(socket, server.tls ? "secureConnect" : "connect");
  if (greet) {
    session.send(helloPacket());
    await session.until(() => session.packets.length > 0);
  }
  return session;
}

export interface Recorder {
  readonly url: string;
  readonly toServer: Buffer[];
  readonly toClient: Buffer[];
  readonly connections: number;
  /** Cuts all connections there are. */
  cut(): void;
}

/** Passes all bytes on, and keeps them. */
export async function recorder(port: number | undefined): Promise<Recorder> {
  const sockets = new Set<Socket>();
  const record = { toServer: [] as Buffer[], toClient: [] as Buffer[], connections: 0 };
  const server = createServer({ noDelay: true }, (client) => {
    record.connections++;
    const upstream = connectNet({ port: port ?? 0, host: "127.0.0.1", noDelay: true });
    for (const [from, to, kept] of [
      [client, upstream, record.toServer],
      [upstream, client, record.toClient],
    ] as const) {
      sockets.add(from);
      from.on("data", (chunk: Buffer) => {
        kept.push(chunk);
        to.write(chunk);
      });
      from.on("error", () => from.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroySoon();
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  later(async () => {
    const closed = once(server, "close");
    server.close();
    cut();
    await closed;
  });
  return {
    url: `iscep+tcp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    toServer: record.toServer,
    toClient: record.toClient,
    get connections() {
      return record.connections;
    },
    cut,
  };
}
