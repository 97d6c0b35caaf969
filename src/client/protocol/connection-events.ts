/** Reports the life of a client's connection. Listeners are optional. */
import type { IscepError } from "../../errors.js";

export interface ConnectionEventMap {
  /** The connection is there again, after `reconnecting`. */
  readonly connected: [];
  /** The connection was lost, and is being made again for the calls that need it. */
  readonly reconnecting: [reason: IscepError];
  /** The client was closed by `close()`. */
  readonly closed: [];
}

export type ConnectionListener<Name extends keyof ConnectionEventMap> = (...told: ConnectionEventMap[Name]) => void;

export class ConnectionEvents {
  readonly #listeners: { readonly [Name in keyof ConnectionEventMap]: Set<ConnectionListener<Name>> } = {
    connected: new Set(),
    reconnecting: new Set(),
    closed: new Set(),
  };

  /** Returns a function that ends the listening. */
  on<Name extends keyof ConnectionEventMap>(name: Name, listener: ConnectionListener<Name>): () => void {
    const listeners: Set<ConnectionListener<Name>> = this.#listeners[name];
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  /** A listener that throws is reported to its author, and disturbs no call. */
  tell<Name extends keyof ConnectionEventMap>(name: Name, ...told: ConnectionEventMap[Name]): void {
    const listeners: Set<ConnectionListener<Name>> = this.#listeners[name];
    for (const listener of listeners) queueMicrotask(() => listener(...told));
  }
}
