/** A door of your own is a program that uses clients of its server in the same process. */
import type { Duplex } from "node:stream";
import type { Client } from "../client/client.js";
import type { Limits } from "../limits/limits.js";
import type { CommandSet } from "../model/command.js";

export interface InProcessClientOptions {
  /** The token of the caller, which is checked at each call. null: none. Default: none, as on a server without tokens. */
  readonly token?: string | null;
  /**
   * Where the caller is: an IP address, or a word that the door chooses, such as `http`. The logs show it. An address
   * counts for tokens that are bound to networks. After wrong tokens from an address the server refuses it for a while,
   * as it does for connections.
   */
  readonly source: string;
}

/** A stream of bytes that a door brings, on which a client speaks version 2. */
export interface AcceptedStream extends Duplex {
  /** What has come, in bytes. */
  readonly bytesRead: number;
  /** All bytes that were written, including those that wait to be sent. */
  readonly bytesWritten: number;
}

export interface AcceptOptions {
  /** Where the caller is: an IP address, or a word that the door chooses. The logs show it. */
  readonly source: string;
}

/** How much a server has to do. */
export interface ServerLoad {
  /** `full`: every further call would have to wait. `closing`: it takes no new calls. */
  readonly state: "ready" | "full" | "closing";
  /** Runs that have a place. */
  readonly running: number;
  /** Calls that wait for their turn. */
  readonly waiting: number;
  /** Functions and scripts that may run at once. */
  readonly places: number;
  /** How many commands the server has. */
  readonly commands: number;
}

/** What a door sees of its server. */
export interface DoorServer {
  /** The limits that count for this server. */
  readonly limits: Limits;
  /**
   * Makes a client that calls without a network, with the same errors, outcomes and limits as over version 2. `close()`
   * it when its caller is gone.
   * @throws IscepError `usage` for an option that does not exist, or without a source
   */
  client<Commands extends object = CommandSet>(options: InProcessClientOptions): Client<Commands>;
  /**
   * Calls the listener after commands were registered, unregistered or reloaded. Returns a function that ends the
   * listening.
   */
  onCommandsChanged(listener: () => void): () => void;
  /** Why new callers should go elsewhere: the server closes, or a door has lost its far side. undefined: it is ready. */
  unready(): string | undefined;
  /** Who may call: those with a token, everybody everywhere, or everybody who is on this machine. */
  readonly access: "tokens" | "everybody" | "machine";
  /**
   * The metrics as text for Prometheus (docs/METRICS.md).
   * @throws IscepError `usage` before the server listens, `closed` after its close
   */
  metrics(): string;
  /** How much there is to do now. */
  load(): ServerLoad;
  /** Calls the listener when the state of `load` has changed. Returns a function that ends the listening. */
  onLoadChanged(listener: () => void): () => void;
  /**
   * Takes a stream on which a client speaks version 2, and treats it like a connection: with a place, budgets,
   * deadlines and lines in the logs. Faults are told to the client. The stream is the server's from here on.
   */
  accept(stream: AcceptedStream, options: AcceptOptions): void;
  /** Writes a line about this door into error.log. Without `error`, the line tells of no fault. */
  report(message: string, error?: unknown): void;
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
   * Why callers do not get through now, such as a broker that is gone; undefined when they do. `/readyz` says it. A door
   * without this is always ready.
   */
  unready?(): string | undefined;
  /**
   * Cuts all callers that are still there. When this resolves, the door holds nothing any more. Called once after each
   * `open` that was begun.
   */
  close(): Promise<void>;
}
