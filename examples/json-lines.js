// @ts-check
/**
 * A door of your own: it reads calls as lines of JSON from a unix socket, and answers with lines of JSON.
 *
 *     node examples/json-lines.js /tmp/calls.sock
 *     echo '{"id":1,"command":"add","args":{"a":1,"b":2}}' | socat - /tmp/calls.sock
 *     {"id":1,"value":3}
 *
 * A call may have a `token`. What a command prints comes as `{"id":1,"channel":"stdout","text":"…"}` before its value.
 */
/** @import { Client, Door, DoorServer } from "iscep" */
/** @import { Socket } from "node:net" */
import { EventEmitter, once } from "node:events";
import { createServer } from "node:net";
import { pipeline } from "node:stream/promises";
import { encodeJson, errorTable, IscepError, isIscepError, parseJson, Server } from "iscep";
import * as commands from "./commands.js";

/** @implements {Door} */
class JsonLines {
  #path;
  #listener = createServer({ allowHalfOpen: true });
  /** @type {Set<Socket>} */
  #callers = new Set();
  #calls = 0;
  #answered = new EventEmitter();

  constructor(/** @type {string} */ path) {
    this.#path = path;
  }

  async open(/** @type {DoorServer} */ server) {
    this.#listener.on("connection", (socket) => {
      const client = server.client({ source: "unix" });
      this.#callers.add(socket);
      // It waits for slow readers, and so makes their commands wait.
      const left = pipeline(socket, (source) => this.#answers(source, client), socket).catch(() => socket.destroy());
      void left.then(async () => {
        this.#callers.delete(socket);
        // Runs that still go on are released, as after any lost connection.
        await client.close();
      });
    });
    await once(this.#listener.listen(this.#path), "listening");
    return { url: `unix:${this.#path}` };
  }

  async drain() {
    this.#listener.close();
    while (this.#calls > 0) await once(this.#answered, "answered");
  }

  async close() {
    this.#listener.close();
    for (const socket of this.#callers) socket.destroy();
  }

  /** Calls are made one after the other, so that no work is done for a caller that does not read. */
  async *#answers(/** @type {AsyncIterable<Buffer>} */ source, /** @type {Client} */ client) {
    let rest = Buffer.alloc(0);
    for await (const chunk of source) {
      rest = Buffer.concat([rest, chunk]);
      for (let end = rest.indexOf("\n"); end !== -1; end = rest.indexOf("\n")) {
        this.#calls++;
        try {
          for await (const answer of answersTo(rest.subarray(0, end), client)) yield `${encodeJson(answer)}\n`;
        } finally {
          this.#answered.emit("answered", --this.#calls);
        }
        rest = rest.subarray(end + 1);
      }
      if (rest.length > 64 * 1024) throw new Error("the line is too long");
    }
  }
}

async function* answersTo(/** @type {Buffer} */ line, /** @type {Client} */ client) {
  let id = null;
  try {
    const call = /** @type {Record<string, unknown> | null} */ (parseJson(line));
    id = call?.["id"] ?? null;
    if (typeof call?.["command"] !== "string") throw new IscepError("usage", "a call needs a command");
    const args = /** @type {object} */ (call["args"]);
    const token = typeof call["token"] === "string" ? call["token"] : null;
    const run = client.run(call["command"], args, { token });
    for await (const { channel, bytes } of run.output) yield { id, channel, text: Buffer.from(bytes).toString() };
    yield { id, value: await run.value };
  } catch (error) {
    const { code, message } = isIscepError(error) ? error : new IscepError("internal", undefined, { cause: error });
    yield { id, error: { code, message, http: errorTable[code].http } };
  }
}

const door = new JsonLines(process.argv[2] ?? "calls.sock");
const server = new Server({ commands, listen: [], doors: [door] });
const { doorUrls } = await server.listen();
console.log(`listening on ${doorUrls.join(", ")}`);
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void server.close());
