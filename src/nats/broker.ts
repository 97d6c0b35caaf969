/**
 * Our connection to a broker. When it is lost, it is tried again for ever, and listeners hear when it is lost and when
 * it is back.
 */
import type { Msg, MsgHdrs, NatsConnection, Subscription } from "@nats-io/transport-node";
import { within } from "../waiting/within.js";
import { IscepError, toIscepError } from "../errors.js";
import type { Limits } from "../limits/limits.js";
import type { BrokerAddress } from "./address.js";
import { connectionCredentials } from "./connection-credentials.js";
import type { NatsCredentials } from "./credentials.js";
import { brokerFault, connectFault } from "./faults.js";
import { Rate } from "./rate.js";
import { keepReading } from "./reading.js";

export interface BrokerOptions extends NatsCredentials {
  readonly address: BrokerAddress;
  /** How the broker's own lists show us. */
  readonly name: string;
  readonly limits: Limits;
  readonly signal?: AbortSignal | undefined;
}

export interface BrokerListener {
  /** The connection is gone. Nothing that was on its way will come. */
  lost?(error: IscepError): void;
  /** The connection is back, with all subscriptions. */
  back?(): void;
  /** The broker has refused a subject, or says that something is wrong. */
  fault?(error: IscepError): void;
  /** The broker had no room, and takes more again. */
  room?(): void;
  /** The connection is closed, and does not come back. */
  closed?(): void;
}

/**
 * How many farewells are kept while the broker is gone: as many as a server has connections by default. A peer that
 * gets none finds out later, by pings.
 */
const mostFarewells = 10_000;

export class Broker {
  /** HOST:PORT, for messages. */
  readonly where: string;
  /** The connection of the library. Its `publish` throws once it is closed, and keeps messages while the broker is gone. */
  readonly connection: NatsConnection;
  readonly #limits: Limits;
  readonly #listeners = new Set<BrokerListener>();
  #isConnected = true;
  #isClosing = false;
  readonly #farewells: [subject: string, payload: Uint8Array, reply: string | undefined][] = [];
  /** Bytes that were published, bytes that the broker has said it took, and bytes up to which it was asked. */
  #published = 0;
  #taken = 0;
  #asked = 0;

  private constructor(where: string, connection: NatsConnection, limits: Limits) {
    this.where = where;
    this.connection = connection;
    this.#limits = limits;
    const reports = new Rate(1);
    keepReading(connection, (error) => {
      if (reports.take()) this.#tell((listener) => listener.fault?.(toIscepError(error)));
    });
    void this.#watch();
  }

  /**
   * Makes one attempt. Afterwards the connection comes back by itself whenever it was lost.
   * @throws IscepError `connect_failed`, `unauthorized`, `not_trusted`, `cancelled`, `usage`, `configuration`
   */
  static async open(options: BrokerOptions): Promise<Broker> {
    const { address, name, limits, signal } = options;
    const where = address.servers.join(",");
    const library = await import("@nats-io/transport-node");
    const { user, password, tls } = options;
    const credentials = connectionCredentials(library, {
      ...options,
      ...((options.credentials ?? options.nkey ?? user) === undefined && address.user !== undefined
        ? { user: address.user, ...(address.password === undefined ? {} : { password: address.password }) }
        : password === undefined
          ? {}
          : { password }),
      ...(address.tls && tls !== undefined && tls !== false ? {} : address.tls ? { tls: true } : {}),
    });
    const opening = library.connect({
      ...credentials,
      servers: [...address.servers],
      name,
      timeout: limits.natsConnectTimeoutMs,
      pingInterval: limits.natsPingMs,
      maxPingOut: 2,
      maxReconnectAttempts: -1,
      reconnectTimeWait: limits.natsReconnectMs,
      // Without this, the library gives up for ever when a user was refused twice. That user may be let in again later.
      ignoreAuthErrorAbort: true,
      noAsyncTraces: true,
    });
    try {
      const connection = await unlessAborted(opening, signal);
      return new Broker(where, connection, limits);
    } catch (error) {
      void opening.then((late) => late.close()).catch(() => {});
      throw signal?.aborted === true
        ? new IscepError("cancelled", "connecting was cancelled", { cause: signal.reason })
        : connectFault(where, error);
    }
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** The broker's own limit, which its operator may change at any time. */
  get maxPayloadBytes(): number {
    return this.connection.info?.max_payload ?? 0;
  }

  /** Returns a function that ends the listening. */
  listen(listener: BrokerListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** False when so many published bytes still wait for the broker that we must wait for `room`. */
  get hasRoom(): boolean {
    return this.#published - this.#taken < this.#limits.natsUnsentBytes;
  }

  /** Does nothing while the broker is gone, because no message may come late. */
  publish(subject: string, payload: Uint8Array | string, reply?: string, headers?: MsgHdrs): void {
    if (!this.#isConnected || this.connection.isClosed()) return;
    this.connection.publish(subject, payload, {
      ...(reply === undefined ? {} : { reply }),
      ...(headers === undefined ? {} : { headers }),
    });
    this.#published += payload.length;
    if (this.#published - this.#asked >= this.#limits.natsUnsentBytes / 8) this.#ask();
  }

  /**
   * Like `publish`, but the message waits while the broker is gone, because the other side must hear that something is
   * over.
   */
  farewell(subject: string, payload: Uint8Array, reply?: string): void {
    if (this.#isConnected) this.publish(subject, payload, reply);
    else if (this.#farewells.length < mostFarewells) this.#farewells.push([subject, payload, reply]);
  }

  /** The broker answers a flush only when it has taken everything that was published before. */
  #ask(): void {
    const upTo = this.#published;
    this.#asked = upTo;
    this.connection.flush().then(
      () => {
        const wasFull = !this.hasRoom;
        this.#taken = Math.max(this.#taken, upTo);
        if (wasFull && this.hasRoom) this.#tell((listener) => listener.room?.());
      },
      // The connection was lost, and `lost` says so.
      () => {},
    );
  }

  /** The handler is called within the turn in which a message comes. Headers that cannot be read have a status (`hasError`). */
  subscribe(subject: string, handler: (message: Msg) => void, queue?: string): Subscription {
    return this.connection.subscribe(subject, {
      ...(queue === undefined ? {} : { queue }),
      callback: (error, message) => {
        if (error === null) handler(message);
        else this.#tell((listener) => listener.fault?.(brokerFault(error)));
      },
    });
  }

  async #watch(): Promise<void> {
    for await (const status of this.connection.status()) {
      if (status.type === "disconnect") this.#lost();
      else if (status.type === "reconnect") this.#back();
      else if (status.type === "error") this.#tell((listener) => listener.fault?.(brokerFault(status.error)));
    }
    this.#lost();
    this.#tell((listener) => listener.closed?.());
  }

  #lost(): void {
    if (!this.#isConnected) return;
    this.#isConnected = false;
    const error = new IscepError(
      "lost",
      this.#isClosing
        ? `the connection to the broker at ${this.where} was closed`
        : `the connection to the broker at ${this.where} was lost; it is made again as soon as the broker is there`,
    );
    this.#tell((listener) => listener.lost?.(error));
  }

  #back(): void {
    this.#published = 0;
    this.#taken = 0;
    this.#asked = 0;
    this.#isConnected = true;
    for (const farewell of this.#farewells.splice(0)) this.publish(...farewell);
    this.#tell((listener) => listener.back?.());
  }

  #tell(what: (listener: BrokerListener) => void): void {
    for (const listener of this.#listeners) what(listener);
  }

  /**
   * Resolves when the broker has taken all that was published, and has all subscriptions. It does not wait for a broker
   * that is gone, nor longer than `lingerTimeoutMs`.
   */
  async flushed(timeoutMs = this.#limits.lingerTimeoutMs): Promise<void> {
    if (!this.#isConnected || this.connection.isClosed()) return;
    await within(
      this.connection.flush().catch(() => {}),
      timeoutMs,
    );
  }

  /**
   * Ends subscriptions. Resolves when what the broker had already sent for them has been handled, because those who sent
   * it may wait for an answer. It does not wait for a broker that is gone, nor longer than half of `lingerTimeoutMs`.
   */
  async leave(subscriptions: readonly Subscription[]): Promise<void> {
    if (this.connection.isClosed()) return;
    if (this.#isConnected) {
      const left = Promise.all(subscriptions.map((subscription) => subscription.drain()));
      await within(
        left.catch(() => {}),
        this.#limits.lingerTimeoutMs / 2,
      );
    }
    if (!this.connection.isClosed()) for (const subscription of subscriptions) subscription.unsubscribe();
  }

  /** Sends what was published, if the broker takes it in half of `lingerTimeoutMs`, and closes. It may be called twice. */
  async close(): Promise<void> {
    this.#isClosing = true;
    if (this.connection.isClosed()) return;
    await this.flushed(this.#limits.lingerTimeoutMs / 2);
    await this.connection.close();
  }
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const aborted = (): void => reject(new Error("aborted"));
    if (signal.aborted) aborted();
    signal.addEventListener("abort", aborted, { once: true });
    void promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", aborted));
  });
}
