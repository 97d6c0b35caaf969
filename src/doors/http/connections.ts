/** Reads requests from connections, and writes the answers of the app to them. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { getRequestListener } from "@hono/node-server";
import { IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import type { HttpConnection } from "../door.js";
import type { HttpApp } from "./app.js";
import type { PlainCallRoute } from "./plain-call.js";
import { problem } from "./problem.js";
import { problemText } from "./problem-text.js";
import { endWithProblem } from "./refuse.js";

const maxHeaderFields = 200;

export class HttpConnections {
  readonly #http: Server;
  readonly #connections = new WeakMap<Duplex, HttpConnection>();
  readonly #unanswered = new WeakMap<Duplex, Set<IncomingMessage>>();
  /** Connections whose last request has come. */
  readonly #ending = new WeakSet<Duplex>();
  readonly #lingerTimeoutMs: number;

  constructor(app: HttpApp, plainCalls: PlainCallRoute, limits: Limits) {
    this.#lingerTimeoutMs = limits.lingerTimeoutMs;
    const listener = getRequestListener((request, { incoming, outgoing }) => {
      const peer = this.#connections.get(incoming.socket);
      if (peer === undefined) throw new IscepError("internal", "a request came over a connection that is not known");
      const answer = app(request, peer);
      if (!(answer instanceof Promise)) return answer;
      return answer.then((response) => {
        if (peer.isClosing) this.#endsWith(incoming.socket, outgoing);
        return response;
      });
    }, listenerOptions);
    const answer = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
      const command = plainCalls.commandOf(incoming);
      const peer = command === undefined ? undefined : this.#connections.get(incoming.socket);
      if (command === undefined || peer === undefined) {
        void listener(incoming, outgoing);
        return;
      }
      // In the next tick, the parser has given all of the body that came with the head.
      process.nextTick(() => {
        // The connection was cut because of what came behind this request.
        if (incoming.socket.destroyed) return;
        const isAnswered = plainCalls.answer(incoming, command, peer, ({ status, headers, body }) => {
          if (outgoing.destroyed) return;
          if (peer.isClosing) this.#endsWith(incoming.socket, outgoing);
          outgoing.writeHead(status, { ...headers, "content-length": Buffer.byteLength(body) }).end(body);
        });
        if (!isAnswered) void listener(incoming, outgoing);
      });
    };
    const http = createServer(
      {
        maxHeaderSize: limits.maxHttpHeadBytes,
        // The server's sweep keeps the deadlines of all connections.
        headersTimeout: 0,
        requestTimeout: 0,
        keepAliveTimeout: 0,
        insecureHTTPParser: false,
        // Node would close the connection, but go on with the requests behind this one.
        requireHostHeader: false,
      },
      (incoming, outgoing) => {
        if (this.#began(incoming, outgoing)) answer(incoming, outgoing);
      },
    );
    http.maxHeadersCount = maxHeaderFields;
    http.on("clientError", (error: NodeJS.ErrnoException, socket) => this.#unreadable(error, socket));
    this.#http = http;
  }

  add(connection: HttpConnection): void {
    this.#connections.set(connection.socket, connection);
    this.#http.emit("connection", connection.socket);
  }

  /** False when the request is not to be answered by the app. */
  #began(incoming: IncomingMessage, outgoing: ServerResponse): boolean {
    const connection = this.#connections.get(incoming.socket);
    // What comes behind the last request of a connection must not run, because its answer could not be sent.
    if (connection === undefined || this.#ending.has(incoming.socket)) return false;
    connection.requestBegan();
    if (incoming.socket.destroyed) return false;
    const unanswered = this.#unanswered.get(incoming.socket) ?? new Set();
    this.#unanswered.set(incoming.socket, unanswered.add(incoming));
    outgoing.once("close", () => {
      unanswered.delete(incoming);
      connection.requestEnded();
    });
    const isWrong = hasTwoHosts(incoming);
    if (isWrong) connection.malformed("several Host fields");
    if (connection.isClosing || !outgoing.shouldKeepAlive) this.#ending.add(incoming.socket);
    if (connection.isClosing) outgoing.setHeader("connection", "close");
    if (isWrong) refuseRequest(outgoing);
    return !isWrong;
  }

  /** A request that is sent behind this answer would be lost. */
  #endsWith(socket: Duplex, outgoing: Answer): void {
    if (!outgoing.headersSent) outgoing.setHeader("connection", "close");
    this.#ending.add(socket);
  }

  #unreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
    const connection = this.#connections.get(socket);
    if (!socket.writable || connection === undefined || error.code === "ECONNRESET") {
      socket.destroy();
      return;
    }
    if (this.#ending.has(socket)) return;
    this.#ending.add(socket);
    connection.malformed(error.code ?? error.message);
    const unanswered = [...(this.#unanswered.get(socket) ?? [])];
    // Requests that were whole are answered as if nothing stood behind them: they have run. The connection ends then. It is
    // read until then, because a peer that goes away must be seen.
    if (unanswered.length > 0 && unanswered.every(({ complete }) => complete)) return;
    // The body of the last one cannot come any more, and there is no place for a word to it before the other answers.
    if (unanswered.length > 1) {
      socket.destroy();
      return;
    }
    const isTooLarge = error.code === "HPE_HEADER_OVERFLOW";
    const fault = isTooLarge
      ? new IscepError("too_large", "the header fields of the request are larger than the limit max_http_head_bytes")
      : notReadable();
    endWithProblem(connection.socket, fault, isTooLarge ? 431 : 400);
    setTimeout(() => socket.destroy(), this.#lingerTimeoutMs).unref();
  }
}

/** The listener may have an answer of HTTP/2, too. */
interface Answer {
  readonly headersSent: boolean;
  setHeader(name: string, value: string): unknown;
}

const listenerOptions = {
  // A request without a Host is refused by our own check.
  hostname: "localhost",
  errorHandler: () => problem(notReadable()),
};

function notReadable(): IscepError {
  return new IscepError("protocol", "this is no request of HTTP/1.1 that can be read");
}

/** Two servers may take different ones of two Hosts (RFC 9112, 3.2). Node takes the first. */
function hasTwoHosts({ rawHeaders }: IncomingMessage): boolean {
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index];
    if (name?.length === 4 && name.toLowerCase() === "host") hosts++;
  }
  return hosts > 1;
}

function refuseRequest(outgoing: ServerResponse): void {
  const body = problemText(new IscepError("protocol", "a request has one Host, and this one has several"), {
    status: 400,
  });
  outgoing.writeHead(400, { "content-type": "application/problem+json", connection: "close" }).end(body);
}
