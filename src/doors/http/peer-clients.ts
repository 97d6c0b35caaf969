/**
 * The clients of one connection, by token. A proxy may send requests of many callers over one connection, so only the
 * newest are kept, and one that is left is closed when its last request is over.
 */
import type { Client } from "../../client/client.js";

const keptTokens = 8;

export class PeerClients {
  readonly #open: (token: string | undefined) => Client;
  readonly #clients = new Map<string | undefined, Client>();
  #last: { readonly token: string | undefined; readonly client: Client } | undefined;

  constructor(open: (token: string | undefined) => Client) {
    this.#open = open;
  }

  of(token: string | undefined): Client {
    if (this.#last !== undefined && this.#last.token === token) return this.#last.client;
    let client = this.#clients.get(token);
    if (client === undefined) {
      client = this.#open(token);
      this.#clients.set(token, client);
      const [oldest] = this.#clients;
      if (this.#clients.size > keptTokens && oldest !== undefined) {
        this.#clients.delete(oldest[0]);
        void oldest[1].close();
      }
    }
    this.#last = { token, client };
    return client;
  }

  /** The peer is gone. */
  close(): void {
    for (const client of this.#clients.values()) void client.close();
    this.#clients.clear();
    this.#last = undefined;
  }
}
