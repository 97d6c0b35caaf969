// @ts-check
/** The wire as an attacker writes it: from PROTOCOL.md, with Node's own modules. Nothing here may import iscep. */
import { createHash, createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect as connectNet } from "node:net";
import { connect as connectTls, TLSSocket } from "node:tls";

/** @typedef {{ host: string, port: number, tls?: boolean, localAddress?: string }} Target */
/** @typedef {import("node:net").Socket} Socket */
/** @typedef {{ type: number, content: Buffer }} Packet */
/**
 * @typedef {{ target: Target, token: string, count?: number, seed?: number, connections?: number, size?: number,
 *   pieceBytes?: number, silent?: number, dripping?: number, bytes?: number, seconds?: number, kind?: number }} Parameters
 */
/** @typedef {{ id?: number, method?: string, params?: Record<string, unknown>, result?: Record<string, unknown>, error?: { message: string, data?: Record<string, unknown> } }} Message */

export const Type = {
  echo: 0,
  discover: 1,
  call: 2,
  response: 3,
  close: 4,
  unauthorized: 5,
  error: 6,
  hello: 7,
  messages: 8,
  data: 9,
};

/**
 * @param {number} type @param {Buffer} content @param {Buffer} sum @param {number} [size] what the Size field claims
 */
function framed(type, content, sum, size = 34 + content.length) {
  const header = Buffer.alloc(6);
  header.writeUInt32BE(size >>> 0);
  header.writeUInt16BE(type, 4);
  return Buffer.concat([header, content, sum]);
}

/** @param {unknown} content @returns {Buffer} */
function bytesOf(content) {
  if (Buffer.isBuffer(content)) return content;
  return Buffer.from(typeof content === "string" ? content : JSON.stringify(content));
}

/** With the checksum of version 1, MD5 in hexadecimal. @param {number} type @param {unknown} content @param {{ size?: number, sum?: string }} [faults] */
export function packet1(type, content, faults = {}) {
  const bytes = bytesOf(content);
  const sum = faults.sum ?? createHash("md5").update(bytes).digest("hex");
  return framed(type, bytes, Buffer.from(sum, "latin1"), faults.size);
}

/** With the hash of version 2, SHA-256 over type and content. @param {number} type @param {unknown} content */
export function packet2(type, content) {
  const bytes = bytesOf(content);
  const typeBytes = Buffer.from([type >> 8, type & 255]);
  return framed(type, bytes, createHash("sha256").update(typeBytes).update(bytes).digest());
}

/** @param {readonly unknown[]} list */
export function messages(...list) {
  return packet2(Type.messages, list);
}

/** @param {number} id @param {string} method @param {unknown} params */
export function request(id, method, params = {}) {
  return { jsonrpc: "2.0", id, method, params };
}

/** @param {string} method @param {unknown} params */
export function notification(method, params) {
  return { jsonrpc: "2.0", method, params };
}

/** Splits a stream of bytes into packets; looks at no hash. */
export class Splitter {
  /** @type {Buffer[]} */
  #chunks = [];
  #length = 0;

  /** @param {Buffer} chunk @returns {Packet[]} */
  push(chunk) {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    /** @type {Packet[]} */
    const packets = [];
    while (this.#length >= 4) {
      const [first = Buffer.alloc(0)] = this.#chunks;
      const start = first.length >= 4 ? first : this.#join();
      const size = start.readUInt32BE();
      if (this.#length < 4 + size) break;
      const all = this.#join();
      packets.push({ type: all.readUInt16BE(4), content: all.subarray(6, 4 + size - 32) });
      this.#chunks = [all.subarray(4 + size)];
      this.#length -= 4 + size;
    }
    return packets;
  }

  #join() {
    const all = this.#chunks.length === 1 && this.#chunks[0] ? this.#chunks[0] : Buffer.concat(this.#chunks);
    this.#chunks = [all];
    return all;
  }
}

/** Connected, and with TLS encrypted. Errors are the attacker's own business. @param {Target} target @param {import("node:tls").ConnectionOptions} [options] @returns {Promise<Socket>} */
export async function dial({ host, port, tls = false, localAddress }, options = {}) {
  const where = { host, port, ...(localAddress === undefined ? {} : { localAddress }) };
  const socket = tls ? connectTls({ ...where, rejectUnauthorized: false, ...options }) : connectNet(where);
  socket.setNoDelay(true);
  try {
    await once(socket, tls ? "secureConnect" : "connect");
  } finally {
    socket.on("error", () => {});
  }
  return socket;
}

/** Not connected yet, and never an exception. @param {Target} target @returns {Socket} */
export function dialSilently({ host, port, localAddress }) {
  const socket = connectNet({ host, port, ...(localAddress === undefined ? {} : { localAddress }) });
  socket.on("error", () => {});
  return socket;
}

/** @param {Buffer | string} key @param {Buffer | string} text */
function hmac(key, text) {
  return createHmac("sha256", key).update(text).digest();
}

/** @param {Buffer} bytes */
function sized(bytes) {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** One connection of version 2, written by hand. */
export class Session {
  /** @type {Message[]} */
  notes = [];
  /** @type {Message | undefined} */
  goaway;
  isClosed = false;
  receivedBytes = 0;
  /** @type {Map<number, (message: Message | undefined) => void>} */
  #waiting = new Map();
  /** @type {(packet: Packet | undefined) => void} */
  #greeted = () => {};
  #splitter = new Splitter();
  #nextId = 1;

  /** @param {Socket} socket */
  constructor(socket) {
    this.socket = socket;
    this.closed = /** @type {Promise<void>} */ (
      new Promise((resolve) => {
        socket.once("close", () => {
          this.isClosed = true;
          this.#greeted(undefined);
          for (const answer of this.#waiting.values()) answer(undefined);
          resolve();
        });
      })
    );
    socket.on("data", (/** @type {Buffer} */ chunk) => {
      this.receivedBytes += chunk.length;
      for (const packet of this.#splitter.push(chunk)) this.#packet(packet);
    });
  }

  /** @param {Packet} packet */
  #packet(packet) {
    if (packet.type !== Type.messages && packet.type !== Type.data) this.#greeted(packet);
    if (packet.type !== Type.messages) return;
    for (const message of /** @type {Message[]} */ (JSON.parse(packet.content.toString()))) {
      if (message.method === "goaway") this.goaway = message;
      if (message.method !== undefined) this.notes.push(message);
      if (message.id === undefined) continue;
      this.#waiting.get(message.id)?.(message);
      this.#waiting.delete(message.id);
    }
  }

  /** HELLO, and the proof of a token when one is given and asked for. @param {string} [token] */
  async open(token) {
    const clientHello = bytesOf({ versions: [2], nonce: randomBytes(32).toString("base64url"), agent: "attacker/1" });
    const greeted = /** @type {Promise<Packet | undefined>} */ (new Promise((resolve) => (this.#greeted = resolve)));
    this.socket.write(packet1(Type.hello, clientHello));
    const answer = await greeted;
    if (answer?.type !== Type.hello) throw new Error("the server did not answer HELLO");
    const { authentication } = /** @type {{ authentication: string }} */ (JSON.parse(answer.content.toString()));
    if (token === undefined || authentication !== "token") return this;
    const secret = token.startsWith("isct_") ? token.slice(18, 61) : token;
    const clientKey = hmac(secret, "client");
    const storedKey = createHash("sha256").update(clientKey).digest();
    const binding =
      this.socket instanceof TLSSocket
        ? this.socket.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0))
        : Buffer.alloc(0);
    const message = Buffer.concat([Buffer.from("iscep 2"), clientHello, answer.content, binding].map(sized));
    const mask = hmac(storedKey, message);
    const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (mask[index] ?? 0))).toString("base64url");
    const reference = hmac(storedKey, "iscep 2 reference").subarray(0, 18).toString("base64url");
    const proven = await this.ask("authenticate", { token: reference, proof });
    if (proven?.result === undefined) throw new Error(`the token was refused: ${JSON.stringify(proven)}`);
    return this;
  }

  /** Undefined when the connection ended first. @param {string} method @param {unknown} params @returns {Promise<Message | undefined>} */
  ask(method, params) {
    if (this.isClosed) return Promise.resolve(undefined);
    const id = this.#nextId++;
    const answer = new Promise((/** @type {(message: Message | undefined) => void} */ resolve) =>
      this.#waiting.set(id, resolve),
    );
    this.socket.write(messages(request(id, method, params)));
    return answer;
  }
}

/** @param {Target} target @param {string} [token] */
export async function session(target, token) {
  return new Session(await dial(target)).open(token);
}

/** Small, quick and seeded: mulberry32. @param {number} seed @returns {{ next(): number, below(limit: number): number }} */
export function randomOf(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { next, below: (limit) => Math.floor(next() * limit) };
}

/** The same packet with one thing wrong: bits, length, order, or what the size says. @param {Buffer} bytes @param {ReturnType<typeof randomOf>} random */
export function mutated(bytes, random) {
  const copy = Buffer.from(bytes);
  const at = random.below(Math.max(1, copy.length));
  switch (random.below(6)) {
    case 0:
      copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
      return copy;
    case 1:
      return copy.subarray(0, at);
    case 2:
      return Buffer.concat([
        copy.subarray(0, at),
        Buffer.alloc(random.below(64), random.below(256)),
        copy.subarray(at),
      ]);
    case 3:
      if (copy.length >= 4)
        copy.writeUInt32BE([0, 1, 33, 34, 2 ** 16, 2 ** 26, 2 ** 31, 2 ** 32 - 1][random.below(8)] ?? 0);
      return copy;
    case 4:
      return Buffer.concat([copy.subarray(at), copy.subarray(0, at)]);
    default:
      return Buffer.from(Array.from({ length: random.below(200) }, () => random.below(256)));
  }
}

/** What the program that started this one asks for; and the figures that go back. */
export function parameters() {
  return /** @type {Parameters} */ (JSON.parse(process.argv[2] ?? "{}"));
}

/** @param {Record<string, unknown>} figures */
export function report(figures) {
  process.send?.(figures);
}

/** Resolves when the other side asks us to end. */
export const stopped = new Promise((resolve) => {
  process.once("message", resolve);
  process.once("disconnect", () => process.exit());
});

/** @param {number} ms */
export function sleep(ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
