/** A door of your own is a program that uses clients of its server in the same process. */
import type { Client } from "../client/client.js";
import type { Limits } from "../limits/limits.js";
import type { CommandSet } from "../model/command.js";

export interface InProcessClientOptions {
  /**
   * The token of the caller, which is checked at each call. null: none. Default: none, as on a server without tokens.
   */
  readonly token?: string | null;
  /**
   * Where the caller is: an IP address, or a word that the door chooses, such as `http`. The logs show it. An address
   * counts for tokens that are bound to networks. After wrong tokens from an address the server refuses it for a while,
   * as it does for connections.
   */
  readonly source: string;
}

/** What a door sees of its server. `Server` is one. */
export interface DoorServer {
  /** The limits that count for this server. */
  readonly limits: Limits;
  /**
   * Makes a client that calls without a network, with the same errors, outcomes and limits as over version 2. `close()`
   * it when its caller is gone.
   * @throws IscepError `usage` for an option that there is not, or without a source
   */
  client<Commands extends object = CommandSet>(options: InProcessClientOptions): Client<Commands>;
  /**
   * Calls the listener after commands were registered, unregistered or reloaded. Returns a function that ends the
   * listening.
   */
  onCommandsChanged(listener: () => void): () => void;
}

/** A way in. The server opens it in `listen()`, and drains and closes it in `close()`. */
export interface Door {
  /**
   * Accepts callers from now on. Resolves to the address for callers. When it rejects, `listen()` rejects with that
   * error, and nothing stays open.
   */
  open(server: DoorServer): Promise<{ readonly url: string }>;
  /**
   * Accepts no new callers. Resolves when all present ones have their answers. The server waits no longer for this than
   * for runs.
   */
  drain(): Promise<void>;
  /**
   * Cuts all callers that are still there. When it resolves, the door holds nothing any more. Called once after each
   * `open` that was begun.
   */
  close(): Promise<void>;
}
