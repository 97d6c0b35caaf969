// @ts-nocheck plain JavaScript, as somebody else may write it
/* oxlint-disable typescript/no-unsafe-call, typescript/prefer-promise-reject-errors */
/**
 * A client of version 2, written from PROTOCOL.md alone: nothing of our own code is imported, so that a fault in it
 * cannot hide, and the page cannot leave anything out.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import net from "node:net";
import tls from "node:tls";
import { Followed } from "./peer-output.mjs";
import { bindingOf, Codes, hashes, packet, proofs, sha256 } from "./peer-proofs.mjs";

export { proofs, secretOf } from "./peer-proofs.mjs";

export const HELLO = 7;
export const MESSAGES = 8;
export const DATA = 9;
const channels = ["stdin", "stdout", "stderr"];

export class AnswerError extends Error {
  constructor({ code, message, data }) {
    super(message);
    this.number = code;
    this.data = data ?? {};
  }
}

export class Peer {
  /** `tls`: options of tls.connect, or false. `asks`: further fields of HELLO (`hashes`, `bindings`). `stream`: instead of a socket; `subject`: where this link over NATS was opened. */
  static async connect({ host = "127.0.0.1", port, path, tls: secure, token, asks = {}, stream, subject }) {
    const plain = () => (path === undefined ? net.connect(port, host) : net.connect(path));
    const socket = stream ?? (secure ? tls.connect({ host, port, ...secure }) : plain());
    if (stream === undefined) {
      await new Promise((resolve, reject) => {
        socket.once(secure ? "secureConnect" : "connect", resolve);
        socket.once("error", reject);
      });
    }
    const peer = new Peer(socket);
    try {
      await peer.greet(token, asks, subject);
    } catch (error) {
      socket.destroy();
      throw error;
    }
    return peer;
  }

  constructor(socket) {
    this.socket = socket;
    this.hash = sha256;
    this.buffer = Buffer.alloc(0);
    this.nextId = 1;
    this.requests = new Map();
    this.followed = new Map();
    this.consumed = 0;
    this.notifications = [];
    this.goaway = undefined;
    this.closed = new Promise((resolve) => socket.once("close", resolve));
    this.failed = undefined;
    socket.on("data", (chunk) => this.received(chunk));
    socket.on("error", (error) => this.fail(error));
    socket.on("close", () => this.fail(new Error("the connection ended")));
  }

  fail(error) {
    this.failed ??= error;
    this.socket.destroy();
    this.rejectHello?.(error);
    for (const { reject } of this.requests.values()) reject(error);
    this.requests.clear();
  }

  async greet(token, asks, subject) {
    const nonce = randomBytes(32).toString("base64url");
    const hello = { versions: [2], nonce, agent: "peer/1", unknown: true, ...asks };
    const content = Buffer.from(JSON.stringify(hello));
    const md5 = (body) => Buffer.from(createHash("md5").update(body.subarray(2)).digest("hex"), "ascii");
    const answer = new Promise((resolve, reject) => {
      this.resolveHello = resolve;
      this.rejectHello = reject;
    });
    this.socket.write(packet(HELLO, content, md5));
    const serverContent = await answer;
    this.hello = JSON.parse(serverContent.toString());
    if (this.hello.version !== 2) throw new Error("the server does not speak version 2");
    const { hash, binding } = this.hello;
    if (hash !== undefined && hash !== "sha256" && asks.hashes?.includes(hash) !== true)
      throw new Error(`the server chose the hash ${hash}, which was not offered`);
    if (binding !== undefined && asks.bindings?.includes(binding) !== true)
      throw new Error(`the server chose the binding ${binding}, which was not offered`);
    this.connectionExpected = this.hello.limits.connectionWindowBytes;
    this.inputWindow = this.hello.limits.connectionWindowBytes;
    if (this.hello.authentication === "none" || token === undefined) return;
    const bytes =
      subject === undefined
        ? bindingOf(this.socket, binding, this.socket.getPeerCertificate?.().raw)
        : Buffer.from(subject);
    const { reference, clientProof, serverProof, storedKey, message } = proofs(token, content, serverContent, bytes);
    const params = { token: reference, proof: clientProof.toString("base64url") };
    const isKeyed = ["hmac-sha256", "hmac-gmac"].includes(hash);
    if (isKeyed) this.codesOfServer = new Codes(hash, "server", storedKey, message);
    const proving = this.request("authenticate", params);
    if (isKeyed) this.codesOfClient = new Codes(hash, "client", storedKey, message);
    const result = await proving;
    if (isKeyed && this.codesOfServer.place === 0n) throw new Error("the server's proof came without a key");
    const proof = Buffer.from(result.proof, "base64url");
    if (proof.length !== 32 || !timingSafeEqual(proof, serverProof)) throw new Error("the server did not prove itself");
    this.owner = result.owner;
  }

  received(chunk) {
    this.buffer = Buffer.concat([this.buffer, chunk]);
    try {
      while (this.buffer.length >= 4) {
        const size = this.buffer.readUInt32BE(0);
        if (size < 34) throw new Error(`a packet of size ${size} came`);
        if (this.buffer.length < 4 + size) return;
        const body = this.buffer.subarray(4, 4 + size - 32);
        const hash = this.buffer.subarray(4 + size - 32, 4 + size);
        this.buffer = this.buffer.subarray(4 + size);
        if (this.codesOfServer?.of(body).equals(hash)) this.codesOfServer.place++;
        else if (this.codesOfServer?.place > 0n || !this.hash(body).equals(hash))
          throw new Error("a packet with a wrong hash came");
        this.handle(body.readUInt16BE(0), body.subarray(2));
      }
    } catch (error) {
      this.fail(error);
    }
  }

  handle(type, content) {
    if (type === HELLO && this.hello === undefined) {
      // As sent, and before the next packet of the same chunk is looked at.
      this.hash = hashes[JSON.parse(content.toString()).hash ?? "sha256"];
      this.resolveHello(Buffer.from(content));
    } else if (type === MESSAGES) {
      for (const message of JSON.parse(content.toString())) this.message(message);
    } else if (type === DATA) {
      const stream = content.readUInt32BE(0);
      const channel = channels[content.readUInt8(4)];
      const offset = Number(content.readBigUInt64BE(5));
      const bytes = Buffer.from(content.subarray(13));
      this.connectionExpected -= bytes.length;
      if (bytes.length > this.hello.limits.maxDataBytes) throw new Error("a DATA packet is larger than HELLO said");
      if (this.connectionExpected < 0) throw new Error("more data came than the connection was granted");
      const followed = this.followed.get(stream);
      if (followed === undefined) throw new Error(`output came for the stream ${stream}, which nobody asked for`);
      followed.receive({ channel, offset, bytes });
    } else {
      throw new Error(`a packet of type ${type} came`);
    }
  }

  message(message) {
    if (message.jsonrpc !== "2.0") throw new Error("a message is no JSON-RPC 2.0");
    if ("method" in message) {
      const { method, params } = message;
      this.notifications.push(message);
      const followed = this.followed.get(params.call);
      if (method === "started") {
        if (params.stdin !== undefined) followed?.beginInput(params.stdin, params.stdinWindow);
        followed?.resolveStarted(params.run);
      }
      if (method === "window") this.windowGranted(params);
      if (method === "progress") followed?.progress.push(params);
      if (method === "goaway") this.goaway = params;
      return;
    }
    const request = this.requests.get(message.id);
    if (request === undefined) throw new Error(`a second answer, or one to no request, came: ${message.id}`);
    this.requests.delete(message.id);
    if ("result" in message === "error" in message) throw new Error("an answer has to be a result or an error");
    if ("error" in message) request.reject(new AnswerError(message.error));
    else request.resolve(message.result);
  }

  windowGranted({ stream, bytes }) {
    if (stream !== 0) {
      this.followed.get(stream)?.granted(bytes);
      return;
    }
    this.inputWindow += bytes;
    if (this.inputWindow > this.hello.limits.connectionWindowBytes) throw new Error("too much was granted");
    for (const followed of this.followed.values()) followed.roomAgain();
  }

  sendData(stream, offset, bytes) {
    const header = Buffer.alloc(13);
    header.writeUInt32BE(stream, 0);
    header.writeUInt8(0, 4);
    header.writeBigUInt64BE(BigInt(offset), 5);
    this.socket.write(this.sealed(DATA, Buffer.concat([header, bytes])));
  }

  sealed(type, content) {
    if (this.codesOfClient === undefined) return packet(type, content, this.hash);
    const sealed = packet(type, content, (body) => this.codesOfClient.of(body));
    this.codesOfClient.place++;
    return sealed;
  }

  granted(bytes) {
    this.consumed += bytes;
    if (this.consumed < this.hello.limits.connectionWindowBytes / 2) return;
    this.notify("window", { stream: 0, bytes: this.consumed });
    this.connectionExpected += this.consumed;
    this.consumed = 0;
  }

  send(...messages) {
    this.socket.write(this.sealed(MESSAGES, Buffer.from(JSON.stringify(messages))));
  }

  notify(method, params) {
    this.send({ jsonrpc: "2.0", method, params });
  }

  request(method, params, id = this.nextId++) {
    const answer = this.expect(id);
    this.send({ jsonrpc: "2.0", id, method, params });
    return answer;
  }

  expect(id) {
    if (this.failed !== undefined) return Promise.reject(this.failed);
    return new Promise((resolve, reject) => this.requests.set(id, { resolve, reject }));
  }

  /** Many requests in one packet. */
  all(requests) {
    const messages = requests.map(([method, params]) => ({ jsonrpc: "2.0", id: this.nextId++, method, params }));
    const answers = messages.map(({ id }) => this.expect(id));
    this.send(...messages);
    return Promise.allSettled(answers);
  }

  /** `call` or `attach`, with its output. */
  follow(method, params) {
    const id = this.nextId++;
    const answer = this.expect(id);
    answer.catch(() => {});
    const followed = new Followed(this, id, answer, this.hello.limits.streamWindowBytes);
    this.followed.set(id, followed);
    this.send({ jsonrpc: "2.0", id, method, params });
    return followed;
  }

  end() {
    this.socket.end();
    return this.closed;
  }
}
