/**
 * A session of version 2 speaks for one token. Calls with another token use a connection of their own, which is made
 * when it is first needed.
 */
import type { IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import type { Version2Client } from "./client.js";

export class TokenClients {
  readonly #own: Version2Client;
  readonly #open: (token: string | undefined) => Version2Client;
  readonly #limits: Pick<Limits, "maxTokenConnections">;
  /** The clients of other tokens. The one that was used longest ago comes first. */
  readonly #others = new Map<string | undefined, Version2Client>();
  readonly #token: string | undefined;
  #isClosed = false;

  constructor(
    own: Version2Client,
    token: string | undefined,
    limits: Pick<Limits, "maxTokenConnections">,
    open: (token: string | undefined) => Version2Client,
  ) {
    this.#own = own;
    this.#token = token;
    this.#limits = limits;
    this.#open = open;
  }

  /** undefined means the client's own token, and null means no token. */
  of(given: string | null | undefined): Version2Client {
    const token = given ?? undefined;
    // When all are closed, the client's own one refuses each call.
    if (given === undefined || token === this.#token || this.#isClosed) return this.#own;
    const known = this.#others.get(token);
    if (known === undefined) this.#makeRoom();
    const client = known ?? this.#open(token);
    this.#others.delete(token);
    this.#others.set(token, client);
    return client;
  }

  /** A client with calls under way is never closed for this. */
  #makeRoom(): void {
    for (const [token, client] of this.#others) {
      if (this.#others.size < this.#limits.maxTokenConnections) return;
      if (!client.isIdle) continue;
      this.#others.delete(token);
      void client.close();
    }
  }

  /** @param gone as for `Version2Client.close` */
  async close(gone?: IscepError): Promise<void> {
    this.#isClosed = true;
    await Promise.all([this.#own, ...this.#others.values()].map((client) => client.close(gone)));
  }
}
