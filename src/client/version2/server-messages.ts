/** What the server says to a client of version 2: the answers of its calls, their output, and how far they are. */
import { outputGone } from "../../session/version2-server.js";
import type { Version2ClientEvent } from "../../session/version2-client.js";
import type { JsonObject } from "../../wire/json.js";
import { cannotBeRead } from "./call-errors.js";
import { tellSize } from "./call-notices.js";
import type { CancelPace } from "./cancel-pace.js";
import type { ClientConnection } from "./client-connection.js";
import type { InputSenders } from "./input-senders.js";
import type { OpenCalls } from "./open-calls.js";
import type { PendingCall } from "./pending-call.js";

/** The client that hears it. */
export interface Hearer {
  readonly connection: ClientConnection | undefined;
  /** The connection is of use. */
  worked(): void;
  /** No more of its output will come. */
  drained(call: PendingCall): void;
  sendWaiting(): void;
}

export class ServerMessages {
  readonly #client: Hearer;
  readonly #calls: OpenCalls;
  readonly #inputs: InputSenders;
  readonly #cancels: CancelPace;

  constructor(client: Hearer, calls: OpenCalls, inputs: InputSenders, cancels: CancelPace) {
    this.#client = client;
    this.#calls = calls;
    this.#inputs = inputs;
    this.#cancels = cancels;
  }

  /** @throws IscepError `protocol` */
  heard(event: Version2ClientEvent): void {
    switch (event.kind) {
      case "result":
      case "error":
        this.#answered(event);
        return;
      case "data": {
        this.#client.worked();
        // Each stream has its own window for what waits to be read. The window of the connection is only for what is on
        // its way; otherwise streams that nobody reads would hold up all others.
        this.#client.connection?.consumed(event.bytes.length);
        const call = this.#calls.atServer.get(event.stream);
        const output = call?.output;
        if (call === undefined || output === undefined) return;
        output.receive(event.channel, event.offset, event.bytes);
        if (output.isWhole) this.#client.drained(call);
        return;
      }
      case "notification":
        this.#notified(event.method, event.params);
    }
  }

  #answered(event: Extract<Version2ClientEvent, { kind: "result" | "error" }>): void {
    const call = this.#calls.atServer.get(event.id);
    if (call === undefined) return; // the answer to a cancel
    const isAwaited = call.state !== "abandoned" && call.state !== "draining";
    this.#calls.become(call, "answered");
    this.#cancels.forget(call);
    this.#client.worked();
    if (isAwaited) {
      if (call.request.input !== undefined) this.#inputs.ended(call);
      if (event.kind === "result") call.succeed(event.result);
      else call.failAnswered(event.error, event.data);
    }
    // The last part of its output may come in the same chunk as the answer, or have come long before.
    if (call.output === undefined || call.output.isWhole) this.#client.drained(call);
    else this.#client.sendWaiting();
  }

  #notified(method: string, params: JsonObject): void {
    const { connection } = this.#client;
    if (connection === undefined) return;
    if (method === "window") {
      this.#inputs.granted(connection, params);
      return;
    }
    const call = typeof params["call"] === "number" ? this.#calls.atServer.get(params["call"]) : undefined;
    if (call === undefined) return;
    if (method === outputGone) {
      call.output?.fail(cannotBeRead(params));
      this.#client.drained(call);
      return;
    }
    if (method !== "started") {
      call.heard(method, params);
      return;
    }
    if (typeof params["run"] !== "string") return;
    this.#calls.become(call, "started");
    call.started(params["run"]);
    call.hasTerminal = params["terminal"] === true;
    tellSize(connection, call);
    // A waiting cancel may be sent earlier, now that the age of its run is known.
    if (call.state === "stopping" || call.state === "abandoned") this.#cancels.ask(call);
    if (call.state !== "abandoned") this.#inputs.begin(connection, call, params);
  }
}
