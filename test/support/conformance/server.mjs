// @ts-nocheck plain JavaScript, as somebody else may write it
/* oxlint-disable typescript/no-unsafe-call */
/**
 * A server of version 2, written from PROTOCOL.md alone: nothing of our own code is imported. It knows a few commands:
 * `add`, `speak` (output), `copy` (standard input to output), `wait` (until it is cancelled).
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import net from "node:net";
import tls from "node:tls";
import { DATA, HELLO, MESSAGES } from "./peer.mjs";
import { bindingOf, hashes, packet, proofs, sha256 } from "./peer-proofs.mjs";

const limits = {
  maxPacketBytes: 65_536,
  maxDataBytes: 1_000,
  maxCallsInFlight: 16,
  streamWindowBytes: 4_096,
  connectionWindowBytes: 10_000,
};

/** Runs outlive their connections, so they belong to the server. */
class Run {
  constructor(id, command) {
    this.record = { run: id, command, owner: "alice", startedAtMs: Date.now(), status: "running", outputBytes: 0 };
    this.output = Buffer.alloc(0);
    this.input = Buffer.alloc(0);
    this.inputIsWhole = false;
    this.listeners = new Set();
  }

  write(bytes) {
    this.output = Buffer.concat([this.output, bytes]);
    this.record.outputBytes = this.output.length;
    for (const listener of this.listeners) listener();
  }

  end(status, answer) {
    if (this.answer !== undefined) return;
    this.answer = answer;
    this.record = { ...this.record, status, endedAtMs: Date.now() };
    for (const listener of this.listeners) listener();
  }
}

class Session {
  constructor(socket, server) {
    this.socket = socket;
    this.server = server;
    this.hash = sha256;
    this.buffer = Buffer.alloc(0);
    this.owner = server.token === undefined ? "anonymous" : undefined;
    this.window = limits.connectionWindowBytes;
    this.streams = new Map();
    this.follows = [];
  }

  begin() {
    this.socket.on("data", (chunk) => this.received(chunk));
    this.socket.on("close", () => {
      for (const { run, pump } of this.follows) run.listeners.delete(pump);
    });
    this.socket.on("error", () => {});
  }

  received(chunk) {
    this.buffer = Buffer.concat([this.buffer, chunk]);
    while (this.buffer.length >= 4) {
      const size = this.buffer.readUInt32BE(0);
      if (this.buffer.length < 4 + size) return;
      const body = this.buffer.subarray(4, 4 + size - 32);
      const hash = this.buffer.subarray(4 + size - 32, 4 + size);
      this.buffer = this.buffer.subarray(4 + size);
      if (this.clientHello === undefined) this.greet(body, hash);
      else if (!this.hash(body).equals(hash)) this.goAway("protocol", "a wrong hash");
      else if (body.readUInt16BE(0) === MESSAGES) {
        for (const message of JSON.parse(body.subarray(2).toString())) this.message(message);
      } else if (body.readUInt16BE(0) === DATA) this.stdin(body.subarray(2));
    }
  }

  greet(body, hash) {
    const content = Buffer.from(body.subarray(2));
    if (body.readUInt16BE(0) !== HELLO || createHash("md5").update(content).digest("hex") !== hash.toString()) {
      this.socket.destroy();
      return;
    }
    this.clientHello = content;
    const { hashes: offered = [] } = JSON.parse(content.toString());
    const best = this.server.hash ?? (this.socket.encrypted ? "none" : "crc32");
    const chosen = this.server.hash !== undefined || offered.includes(best) ? { hash: best } : {};
    const authentication = this.server.token === undefined ? "none" : "token";
    const hello = {
      version: 2,
      nonce: randomBytes(32).toString("base64url"),
      agent: "server/1",
      authentication,
      ...chosen,
      ...this.server.says,
      limits,
    };
    this.serverHello = Buffer.from(JSON.stringify(hello));
    this.socket.write(packet(HELLO, this.serverHello));
    this.hash = hashes[chosen.hash ?? "sha256"];
    this.server.hellos.push({ client: JSON.parse(content.toString()), server: hello });
  }

  send(message) {
    const content = Buffer.from(JSON.stringify([{ jsonrpc: "2.0", ...message }]));
    this.socket.write(packet(MESSAGES, content, this.hash));
  }

  notify(method, params) {
    this.send({ method, params });
  }

  fail(id, number, code, more = {}) {
    this.send({ id, error: { code: number, message: code, data: { code, ...more } } });
  }

  goAway(code, message) {
    this.notify("goaway", { code, message });
    this.socket.end();
  }

  message({ id, method, params = {} }) {
    if (method === "window") this.granted(params);
    else if (method === "leave") this.streams.get(params.stream)?.leave();
    else if (method === "authenticate") this.authenticate(id, params);
    else if (method === "ping") this.send({ id, result: {} });
    else if (this.owner === undefined) this.fail(id, -32001, "unauthorized", { status: "rejected" });
    else if (method === "echo") this.send({ id, result: { value: params.value } });
    else if (method === "list") this.send({ id, result: { commands: [] } });
    else if (method === "runs") this.runs(id, params);
    else if (method === "call") this.call(id, params);
    else if (method === "attach") this.follow(id, this.server.runs.get(params.run), params);
    else if (method === "cancel") this.cancel(id, params);
    else if (id !== undefined) this.fail(id, -32601, "command_not_found");
    else this.server.unknown.push(method);
  }

  authenticate(id, { token, proof }) {
    const binding = bindingOf(this.socket);
    const expected = proofs(this.server.token, this.clientHello, this.serverHello, binding);
    const given = Buffer.from(proof, "base64url");
    if (token !== expected.reference || given.length !== 32 || !timingSafeEqual(given, expected.clientProof)) {
      this.fail(id, -32001, "unauthorized");
      return;
    }
    this.owner = "alice";
    this.send({ id, result: { owner: "alice", proof: expected.serverProof.toString("base64url") } });
  }

  /** One run a page, newest first. */
  runs(id, { after }) {
    const all = [...this.server.runs.values()].reverse().map(({ record }) => record);
    const from = after === undefined ? 0 : all.findIndex(({ run }) => run === after) + 1;
    const page = all.slice(from, from + 1);
    this.send({ id, result: { runs: page, ...(from + 1 < all.length ? { next: page[0].run } : {}) } });
  }

  call(id, params) {
    const { command, args } = params;
    if (command === "add") this.send({ id, result: { value: args.a + args.b } });
    else if (["speak", "copy", "wait"].includes(command)) this.follow(id, this.server.start(command, args), params);
    else this.fail(id, -32601, "command_not_found", { status: "rejected" });
  }

  cancel(id, { run, call }) {
    const found = run === undefined ? this.streams.get(call)?.run : this.server.runs.get(run);
    if (found === undefined) {
      this.fail(id, -32018, "run_not_found", { status: "rejected" });
      return;
    }
    this.send({ id, result: {} });
    found.end("cancelled", { error: { code: -32003, message: "cancelled", data: { code: "cancelled" } } });
  }

  follow(id, run, params) {
    if (run === undefined) {
      this.fail(id, -32018, "run_not_found", { status: "rejected" });
      return;
    }
    const { output: begin = params.offset } = params;
    const stream = { run, position: begin, window: limits.streamWindowBytes, answered: false };
    const started = { call: id, run: run.record.run };
    if (params.stdin === true && run.answer === undefined) {
      started.stdin = run.input.length;
      started.stdinWindow = limits.streamWindowBytes;
    }
    const pump = () => this.pump(id, stream);
    stream.leave = () => (stream.position = undefined);
    this.streams.set(id, stream);
    run.listeners.add(pump);
    this.follows.push({ run, pump });
    this.notify("started", started);
    pump();
  }

  pump(id, stream) {
    const { run } = stream;
    while (stream.position !== undefined && stream.position < run.output.length) {
      const room = Math.min(limits.maxDataBytes, stream.window, this.window);
      if (room === 0) break;
      const bytes = run.output.subarray(stream.position, stream.position + room);
      const header = Buffer.alloc(13);
      header.writeUInt32BE(id, 0);
      header.writeUInt8(1, 4);
      header.writeBigUInt64BE(BigInt(stream.position), 5);
      this.socket.write(packet(DATA, Buffer.concat([header, bytes]), this.hash));
      stream.position += bytes.length;
      stream.window -= bytes.length;
      this.window -= bytes.length;
    }
    if (run.answer === undefined || stream.answered) return;
    stream.answered = true;
    // The last of the output may come behind the answer, which says how much there is.
    const more = { run: run.record.run, ...(stream.position === undefined ? {} : { output: run.output.length }) };
    const { error, result } = run.answer;
    if (error === undefined) this.send({ id, result: { ...result, ...more } });
    else this.send({ id, error: { ...error, data: { ...error.data, status: run.record.status, ...more } } });
  }

  granted({ stream: id, bytes }) {
    if (id === 0) this.window += bytes;
    else if (this.streams.has(id)) this.streams.get(id).window += bytes;
    for (const [each, stream] of this.streams) this.pump(each, stream);
  }

  stdin(content) {
    const id = content.readUInt32BE(0);
    const bytes = content.subarray(13);
    const { run } = this.streams.get(id);
    if (Number(content.readBigUInt64BE(5)) !== run.input.length) this.goAway("protocol", "an offset that skips");
    if (bytes.length === 0) {
      run.end("completed", { result: { value: run.input.length } });
      return;
    }
    run.input = Buffer.concat([run.input, bytes]);
    run.write(bytes);
    this.notify("window", { stream: id, bytes: bytes.length });
    this.notify("window", { stream: 0, bytes: bytes.length });
  }
}

/**
 * `token`: undefined lets everybody in. `secure`: options of tls.createServer, or false. `hash`: chosen without a look at the
 * offer. `says`: further fields of HELLO.
 */
export async function serve({ token, secure, hash, says = {} }) {
  const server = { token, hash, says, runs: new Map(), connections: [], hellos: [], unknown: [] };
  server.start = (command, args) => {
    const run = new Run(`run-${server.runs.size + 1}`, command);
    server.runs.set(run.record.run, run);
    if (command === "speak") {
      setImmediate(() => {
        for (let at = 0; at < args.bytes; at += 500) run.write(Buffer.alloc(Math.min(500, args.bytes - at), at % 251));
        run.end("completed", { result: { value: args.bytes } });
      });
    }
    return run;
  };
  const accept = (socket) => {
    server.connections.push(socket);
    new Session(socket, server).begin();
  };
  const listener = secure
    ? tls.createServer({ ...secure, ALPNProtocols: ["iscep/2"] }, accept)
    : net.createServer(accept);
  await new Promise((resolve) => listener.listen(0, "127.0.0.1", resolve));
  return {
    port: listener.address().port,
    hellos: server.hellos,
    unknown: server.unknown,
    cut: () => server.connections.splice(0).forEach((socket) => socket.destroy()),
    close: () => {
      server.connections.forEach((socket) => socket.destroy());
      return new Promise((resolve) => listener.close(resolve));
    },
  };
}
