/** Opens HTTP on a server. */
import { createServer, type IncomingMessage, type Server as NodeHttpServer } from "node:http";
import type { Socket } from "node:net";
import { once } from "node:events";
import { getRequestListener } from "@hono/node-server";
import type { Client } from "../../client/client.js";
import { IscepError } from "../../errors.js";
import type { Door, DoorServer } from "../door.js";
import { httpApp } from "./app.js";
import type { HttpPeer } from "./mount.js";
import { PeerClients } from "./peer-clients.js";
import { checkHttpSettings, type HttpSettings } from "./settings.js";

export type { HttpSettings } from "./settings.js";

/**
 * Makes a door for HTTP: `new Server({ doors: [httpDoor()] })`.
 * @throws IscepError `usage` for an option that there is not
 */
export function httpDoor(settings: HttpSettings = {}): Door {
  checkHttpSettings(settings);
  return new HttpDoor(settings);
}

class HttpDoor implements Door {
  readonly #settings: HttpSettings;
  readonly #peers = new WeakMap<Socket, HttpPeer>();
  #server: NodeHttpServer | undefined;

  constructor(settings: HttpSettings) {
    this.#settings = settings;
  }

  async open(server: DoorServer): Promise<{ url: string }> {
    const app = httpApp(server, this.#settings);
    const listener = getRequestListener((request, env) => {
      const { incoming } = env as { incoming: IncomingMessage };
      const peer = this.#peers.get(incoming.socket);
      if (peer === undefined) throw new IscepError("internal", "a request came over a connection that is not known");
      return app.fetch(request, { peer });
    });
    const http = createServer(listener as Parameters<typeof createServer>[1] & object);
    http.on("connection", (socket: Socket) => {
      const source = socket.remoteAddress?.replace(/^::ffff:/, "") ?? "unknown";
      const clients = new PeerClients((token): Client => server.client({ source, token: token ?? null }));
      socket.once("close", () => clients.close());
      this.#peers.set(socket, { source, tls: false, client: (token) => clients.of(token) });
    });
    this.#server = http;
    const [place = { host: "127.0.0.1", port: 0 }] = this.#settings.listen ?? [];
    http.listen("unix" in place ? { path: place.unix } : { host: place.host, port: place.port });
    await once(http, "listening");
    const address = http.address();
    return { url: typeof address === "object" && address !== null ? `http://127.0.0.1:${address.port}/` : "unix" };
  }

  async drain(): Promise<void> {
    const http = this.#server;
    if (http === undefined) return;
    await new Promise((resolve) => http.close(resolve));
  }

  async close(): Promise<void> {
    this.#server?.closeAllConnections();
  }
}
