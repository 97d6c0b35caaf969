/** Reads requests from connections, and writes the answers of the app to them. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { getRequestListener } from "@hono/node-server";
import { IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import type { HttpConnection } from "../built-in-door.js";
import type { HttpApp } from "./app.js";
import type { HttpFaultStatus } from "./answer/http-faults.js";
import type { PlainCallRoute } from "./calls/plain-call.js";
import { problem } from "./answer/problem.js";
import { problemText } from "./answer/problem-text.js";
import { endWithProblem } from "./answer/refuse.js";

const maxHeaderFields = 200;

/** The requests of one connection. */
interface Requests {
  readonly connection: HttpConnection;
  /** The one that is being answered. */
  current: IncomingMessage | undefined;
  /** Those behind it. Each begins when the peer has the answer before it, so that a slow reader has only one in memory. */
  waiting: (readonly [IncomingMessage, ServerResponse])[];
  /** The last one has come. */
  isEnding: boolean;
  /** How many came that will have no answer. */
  dropped: number;
}

export class HttpConnections {
  readonly #http: Server;
  readonly #requests = new WeakMap<Duplex, Requests>();
  readonly #plainCalls: PlainCallRoute;
  readonly #listener: ReturnType<typeof getRequestListener>;
  readonly #lingerTimeoutMs: number;
  readonly #maxPipelinedRequests: number;

  constructor(app: HttpApp, plainCalls: PlainCallRoute, limits: Limits) {
    this.#plainCalls = plainCalls;
    this.#lingerTimeoutMs = limits.lingerTimeoutMs;
    this.#maxPipelinedRequests = limits.maxPipelinedRequests;
    this.#listener = getRequestListener((request, { incoming, outgoing }) => {
      const requests = this.#requests.get(incoming.socket);
      if (requests === undefined)
        throw new IscepError("internal", "a request came over a connection that is not known");
      const answer = app(request, requests.connection);
      if (!(answer instanceof Promise)) return answer;
      return answer.then((response) => {
        endIfClosing(requests, outgoing);
        return response;
      });
    }, listenerOptions);
    const http = createServer(
      {
        maxHeaderSize: limits.maxHttpHeadBytes,
        // The sweep of the server has the deadlines of all connections.
        headersTimeout: 0,
        requestTimeout: 0,
        keepAliveTimeout: 0,
        insecureHTTPParser: false,
        // Node would close the connection, but go on with the requests behind this one.
        requireHostHeader: false,
      },
      (incoming, outgoing) => this.#came(incoming, outgoing),
    );
    // With a limit here, Node drops the fields beyond it from `headers`, but not from `rawHeaders`.
    http.maxHeadersCount = 0;
    // Node would answer these by itself, and count them nowhere.
    http.on("checkExpectation", (incoming, outgoing) => this.#came(incoming, outgoing));
    http.on("clientError", (error: NodeJS.ErrnoException, socket) => this.#unreadable(error, socket));
    this.#http = http;
  }

  add(connection: HttpConnection): void {
    this.#requests.set(connection.socket, { connection, current: undefined, waiting: [], isEnding: false, dropped: 0 });
    this.#http.emit("connection", connection.socket);
  }

  #came(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const requests = this.#requests.get(incoming.socket);
    if (requests === undefined) {
      incoming.resume();
      return;
    }
    if (requests.isEnding || !requests.connection.socket.writable) {
      this.#drop(requests, incoming);
      return;
    }
    if (requests.current !== undefined && stopsReading(incoming)) {
      // The peer sends it again over another connection (RFC 9112, 9.3.2).
      end(requests);
      requests.connection.endAfterAnswer("a request that waited for its turn had a large body");
      this.#drop(requests, incoming);
      return;
    }
    requests.connection.requestBegan();
    if (incoming.socket.destroyed) return;
    if (!outgoing.shouldKeepAlive) requests.isEnding = true;
    requests.waiting.push([incoming, outgoing]);
    if (requests.current === undefined) this.#next(requests);
  }

  /**
   * What comes behind the last request of a connection must not run, because its answer could not be sent. Node keeps an
   * answer for each all the same, until the connection is gone.
   */
  #drop(requests: Requests, incoming: IncomingMessage): void {
    incoming.resume();
    if (++requests.dropped > this.#maxPipelinedRequests)
      requests.connection.cut("too many requests behind the last one");
  }

  /** Requests that are not safe must not run beside each other (RFC 9112, 9.3.2). */
  #next(requests: Requests): void {
    const { connection } = requests;
    const [incoming, outgoing] = connection.socket.writable ? (requests.waiting.shift() ?? []) : [];
    requests.current = incoming;
    if (incoming === undefined || outgoing === undefined) return;
    outgoing.once("close", () => {
      connection.requestEnded();
      this.#next(requests);
    });
    const fault = faultOf(incoming);
    if (fault !== undefined) connection.malformed(fault.reason);
    endIfClosing(requests, outgoing);
    if (fault !== undefined) refuseRequest(outgoing, fault);
    else this.#answer(requests, incoming, outgoing);
  }

  #answer(requests: Requests, incoming: IncomingMessage, outgoing: ServerResponse): void {
    const command = this.#plainCalls.commandOf(incoming);
    if (command === undefined) {
      void this.#listener(incoming, outgoing);
      return;
    }
    // Then the parser has given all of the body that came with the head.
    process.nextTick(() => {
      // The connection was cut for what came behind.
      if (incoming.socket.destroyed) return;
      const isAnswered = this.#plainCalls.answer(
        incoming,
        command,
        requests.connection,
        ({ status, headers, body }) => {
          if (outgoing.destroyed) return;
          endIfClosing(requests, outgoing);
          outgoing.writeHead(status, { ...headers, "content-length": Buffer.byteLength(body) }).end(body);
        },
      );
      if (!isAnswered) void this.#listener(incoming, outgoing);
    });
  }

  #unreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
    const requests = this.#requests.get(socket);
    // The peer has ended in the middle of its next request. It reads no answer any more, as a peer that ends behind a
    // request.
    const isGone =
      error.code === "ECONNRESET" || (error.code === "HPE_INVALID_EOF_STATE" && requests?.current?.complete === true);
    if (!socket.writable || requests === undefined || isGone) {
      socket.destroy();
      return;
    }
    if (requests.isEnding) return;
    const { connection, current } = requests;
    end(requests);
    connection.malformed(error.code ?? error.message);
    // A request that was whole is answered as if nothing stood behind it: it has run. The connection ends then. It is read
    // until then, because a peer that goes away must be seen.
    if (current?.complete === true) return;
    const isTooLarge = error.code === "HPE_HEADER_OVERFLOW";
    const fault = isTooLarge
      ? new IscepError("too_large", "the header fields of the request are larger than the limit max_http_head_bytes")
      : notReadable();
    endWithProblem(connection.socket, fault, isTooLarge ? 431 : 400);
    setTimeout(() => socket.destroy(), this.#lingerTimeoutMs).unref();
  }
}

/** The answer of a connection that closes says so. A request that is sent behind it would be lost. */
function endIfClosing(requests: Requests, outgoing: Answer): void {
  if (!requests.connection.isClosing) return;
  if (!outgoing.headersSent) outgoing.setHeader("connection", "close");
  end(requests);
}

/**
 * Node stops to read a connection when the body of a request that waits has filled its buffer. Then nobody sees that the
 * peer goes away, and the call before it runs on.
 */
function stopsReading({ headers, readableHighWaterMark }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) >= readableHighWaterMark;
}

/** No further request begins. */
function end(requests: Requests): void {
  requests.isEnding = true;
  for (const _ of requests.waiting.splice(0)) {
    requests.dropped++;
    requests.connection.requestEnded();
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

interface Fault {
  readonly reason: string;
  readonly status: HttpFaultStatus;
  readonly error: IscepError;
}

/** Node looks for this field with the same pattern, and has sent the 100 when it matches. */
const isContinue = /(?:^|\W)100-continue(?:$|\W)/i;

/** Two servers may take different Host fields (RFC 9112, 3.2). Node takes the first. */
function faultOf({ headers, rawHeaders }: IncomingMessage): Fault | undefined {
  if (rawHeaders.length > 2 * maxHeaderFields) {
    const error = new IscepError("too_large", `a request has at most ${maxHeaderFields} header fields`);
    return { reason: "too many header fields", status: 431, error };
  }
  if (headers.expect !== undefined && !isContinue.test(headers.expect)) {
    const error = new IscepError("protocol", "the request expects something else than 100-continue");
    return { reason: "an unknown expectation", status: 417, error };
  }
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index];
    if (name?.length === 4 && name.toLowerCase() === "host") hosts++;
  }
  if (hosts <= 1) return undefined;
  const error = new IscepError("protocol", "a request has one Host, and this one has several");
  return { reason: "several Host fields", status: 400, error };
}

function refuseRequest(outgoing: ServerResponse, { status, error }: Fault): void {
  const body = problemText(error, { status, isOfHttp: true });
  outgoing.writeHead(status, { "content-type": "application/problem+json", connection: "close" }).end(body);
}
