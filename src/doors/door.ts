/** What a door of a user's own is: a program that uses clients of its server in the same process. */
import type { Client } from "../client/client.js";
import type { CommandSet } from "../model/command.js";

export interface InProcessClientOptions {
  /** The token of the caller. `null` or left out: none, as on a server without tokens. It is checked at each call. */
  readonly token?: string | null;
  /**
   * Where the caller is: an IP address, or a word of the door's own such as `http`. It stands in the logs. An address counts for tokens that are
   * bound to networks, and wrong tokens from it make the server refuse it for a while, as they do for connections.
   */
  readonly source: string;
}

/** What a server is to its doors. `Server` is one. */
export interface DoorServer {
  /** Calls without a network: the same errors, outcomes and limits as over version 2. `close()` it when its caller is gone. */
  client<Commands extends object = CommandSet>(options: InProcessClientOptions): Client<Commands>;
  /** Called after commands were registered, unregistered or reloaded. Returns what ends the listening. */
  onCommandsChanged(listener: () => void): () => void;
}

/** A way in. The server opens it in `listen()`, and drains and closes it in `close()`. */
export interface Door {
  /**
   * Takes callers from now on. Resolves to where they find it. When it rejects, `listen()` rejects with that error, and
   * nothing stays open.
   */
  open(server: DoorServer): Promise<{ readonly url: string }>;
  /** Takes no new callers. Resolves when all that it has taken are answered; the server waits no longer than it gives runs. */
  drain(): Promise<void>;
  /** Holds nothing any more when it resolves: whoever is still there is cut. Called once after each `open` that was begun. */
  close(): Promise<void>;
}
