/** The life of a client's connection, for whoever wants to show it. Nobody has to listen. */
import type { IscepError } from "../../errors.js";

export interface ConnectionEventMap {
  /** It is there again, after `reconnecting`. */
  readonly connected: [];
  /** It was lost, and is being made again for the calls that wait or are under way. */
  readonly reconnecting: [reason: IscepError];
  /** By `close()`. */
  readonly closed: [];
}

export type ConnectionListener<Name extends keyof ConnectionEventMap> = (...told: ConnectionEventMap[Name]) => void;

export class ConnectionEvents {
  readonly #listeners: { readonly [Name in keyof ConnectionEventMap]: Set<ConnectionListener<Name>> } = {
    connected: new Set(),
    reconnecting: new Set(),
    closed: new Set(),
  };

  /** Returns what ends the listening. */
  on<Name extends keyof ConnectionEventMap>(name: Name, listener: ConnectionListener<Name>): () => void {
    const listeners: Set<ConnectionListener<Name>> = this.#listeners[name];
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  /** A listener that throws is its author's to hear of, and no call's. */
  tell<Name extends keyof ConnectionEventMap>(name: Name, ...told: ConnectionEventMap[Name]): void {
    const listeners: Set<ConnectionListener<Name>> = this.#listeners[name];
    for (const listener of listeners) queueMicrotask(() => listener(...told));
  }
}
