/** Servers that speak HTTP, and callers of them: by fetch, and by bytes. */
import { once } from "node:events";
import { connect as connectNet, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Door } from "iscep";
import { httpDoor, type HttpSettings } from "iscep/http";
import { later } from "./cleanup.js";
import { startServer, tokens, type TestServer, type TestServerOptions } from "./servers.js";

export interface HttpServer extends TestServer {
  /** Such as `http://127.0.0.1:40123`. */
  readonly origin: string;
  /** A request with the token of alice, unless the headers say otherwise. */
  ask(path: string, init?: RequestInit): Promise<Response>;
  /** A call with arguments as JSON. */
  post(path: string, args?: unknown, headers?: Record<string, string>): Promise<Response>;
  bytes(): Promise<RawHttp>;
}

export async function startHttp(
  options: TestServerOptions & { http?: HttpSettings; more?: readonly Door[] } = {},
): Promise<HttpServer> {
  const { http = {}, more = [], ...rest } = options;
  let url = "";
  const door = httpDoor(http);
  const server = await startServer({
    ...rest,
    doors: [
      {
        open: async (seen) => ({ url: (url = (await door.open(seen)).url) }),
        drain: () => door.drain(),
        close: () => door.close(),
      },
      ...more,
    ],
  });
  const origin = url.replace(/\/$/, "");
  const { hostname, port } = new URL(url);
  const ask = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(origin + path, { ...init, headers: { authorization: `Bearer ${tokens.alice}`, ...headersOf(init) } });
  return {
    ...server,
    origin,
    ask,
    post: (path, args = {}, headers = {}) =>
      ask(path, {
        method: "POST",
        body: JSON.stringify(args),
        headers: { "content-type": "application/json", ...headers },
      }),
    bytes: () => rawHttp({ host: hostname, port: Number(port), tls: url.startsWith("https:") }),
  };
}

function headersOf({ headers }: RequestInit): Record<string, string> {
  return Object.fromEntries(new Headers(headers).entries());
}

/** One connection. What comes back is kept as text (latin1). */
export class RawHttp {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  text = "";
  #wake: (() => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      this.text += text;
      for (const wake of this.#wake.splice(0)) wake();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      for (const wake of this.#wake.splice(0)) wake();
    });
  }

  send(...lines: string[]): this {
    this.socket.write(lines.join("\r\n"), "latin1");
    return this;
  }

  /** Until the text matches. @throws when the connection ends before */
  async until(pattern: RegExp): Promise<string> {
    for (;;) {
      if (pattern.test(this.text)) return this.text;
      if (this.socket.closed) throw new Error(`the connection ended after ${JSON.stringify(this.text)}`);
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  /** All that came until the server closed. */
  async rest(): Promise<string> {
    await this.closed;
    return this.text;
  }
}

export async function rawHttp(where: { host: string; port: number; tls?: boolean }): Promise<RawHttp> {
  const { host, port, tls = false } = where;
  const socket = tls
    ? connectTls({ host, port, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] })
    : connectNet({ host, port, noDelay: true });
  const raw = new RawHttp(socket);
  later(async () => {
    socket.destroy();
    await raw.closed;
  });
  await once(socket, tls ? "secureConnect" : "connect");
  return raw;
}

/** The answer to a request that was sent as bytes: its status, and its body as far as it came. */
export function statusesOf(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
}
