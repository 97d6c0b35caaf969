/** Connects by TCP, TLS or a unix socket, until the peer is trusted. Nothing is written before that. */
import { connect as connectNet, type OnReadOpts, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { IscepError, toIscepError } from "../errors.js";
import type { Trust } from "../identity/trust.js";
import type { Limits } from "../limits/limits.js";
import { formatAddress, isLoopbackHost, type Address } from "./address.js";
import { ReadMemory } from "./read-memory.js";
import { TlsAttempt, type TlsSessionLimits } from "./tls-sessions.js";

export interface DialOptions {
  /** This is for addresses with TLS only. */
  readonly trust?: Trust | undefined;
  readonly allowCleartext: boolean;
  /** The protocols that are offered in the TLS handshake (ALPN). */
  readonly alpnProtocols?: readonly string[] | undefined;
  readonly limits: Pick<Limits, "connectTimeoutMs"> & TlsSessionLimits;
  readonly signal?: AbortSignal | undefined;
}

/**
 * @throws IscepError `connect_failed`, `not_trusted`, `timeout`, `cancelled`, `usage` (cleartext beyond this machine
 *   without `allowCleartext`, or TLS without `trust`)
 */
export async function dial(address: Address, options: DialOptions): Promise<Socket> {
  if (address.kind === "tcp" && !options.allowCleartext && !isLoopbackHost(address.host)) {
    throw new IscepError(
      "usage",
      `${nameOf(address)} is cleartext and leaves this machine: the network would see token and data. Use iscep://, or say allowCleartext (--allow-cleartext)`,
    );
  }
  if (options.signal?.aborted === true) throw cancelled(options.signal);
  return new Promise((resolve, reject) => {
    const { socket, check, distrust } = open(address, options);
    const { connectTimeoutMs } = options.limits;
    const timer = setTimeout(() => {
      fail(new IscepError("timeout", `${nameOf(address)} did not answer within ${connectTimeoutMs} ms`));
    }, connectTimeoutMs);
    const aborted = (): void => fail(cancelled(options.signal));
    const failed = (error: NodeJS.ErrnoException): void => {
      fail(options.trust?.explain(error) ?? connectFailed(nameOf(address), error));
    };
    const ended = (): void => {
      fail(
        new IscepError(
          "connect_failed",
          `${nameOf(address)} closed the connection at once; it may be full, or speak no TLS`,
        ),
      );
    };
    function done(): void {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", aborted);
      socket.off("error", failed);
      socket.off("close", ended);
    }
    function fail(error: IscepError): void {
      done();
      if (error.code !== "cancelled") distrust();
      socket.on("error", () => {});
      socket.destroy();
      reject(error);
    }
    options.signal?.addEventListener("abort", aborted, { once: true });
    socket.once("error", failed);
    socket.once("close", ended);
    socket.once(address.kind === "tls" ? "secureConnect" : "connect", () => {
      try {
        check();
      } catch (error) {
        fail(toIscepError(error, "not_trusted"));
        return;
      }
      done();
      // An error without a listener ends the process, and the next owner does not listen yet.
      socket.on("error", () => {});
      resolve(socket);
    });
  });
}

interface Dialled {
  readonly socket: Socket;
  /** @throws IscepError `not_trusted` */
  check: () => void;
  /** What is kept of earlier connections to this place must not be used any more. */
  distrust: () => void;
}

const nothing = (): void => {};

function open(address: Address, options: DialOptions): Dialled {
  if (address.kind === "unix")
    return {
      socket: reading((onread) => connectNet({ path: address.path, onread })),
      check: nothing,
      distrust: nothing,
    };
  const { host, port } = address;
  if (address.kind === "tcp") {
    return {
      socket: reading((onread) => connectNet({ host, port, noDelay: true, keepAlive: true, onread })),
      check: nothing,
      distrust: nothing,
    };
  }
  const { trust, alpnProtocols, limits } = options;
  if (trust === undefined) throw new IscepError("usage", "an address with TLS needs to know which server to trust");
  const attempt = new TlsAttempt({ host, port, trust, limits });
  const socket = reading((onread) => {
    // Node takes `onread` for TLS too (its documentation of `tls.connect`), but the types do not know.
    const connection: ConnectionOptions & { onread: OnReadOpts } = {
      host,
      port,
      onread,
      ...trust.connection,
      ...attempt.options,
      ...(alpnProtocols === undefined ? {} : { ALPNProtocols: [...alpnProtocols] }),
    };
    return connectTls(connection);
  });
  // tls.connect has no option for this. Without it, a small packet may wait for 40 ms.
  socket.setNoDelay(true);
  return { socket, check: () => attempt.check(socket), distrust: () => attempt.distrust() };
}

/**
 * Bytes come by `onread` and are emitted as 'data', without the queue of a stream, which would cost about as much as
 * the rest of a small call (`npm run bench`).
 */
function reading<S extends Socket>(connectWith: (onread: OnReadOpts) => S): S {
  const memory = new ReadMemory();
  const socket = connectWith({
    buffer: () => memory.room(),
    callback: (length) => {
      socket.emit("data", memory.take(length));
      return true;
    },
  });
  return socket;
}

function cancelled(signal: AbortSignal | undefined): IscepError {
  return new IscepError("cancelled", "connecting was cancelled", { cause: signal?.reason });
}

/** The address leaves out the credentials, because errors show it. */
function nameOf(address: Address): string {
  const { owner: _owner, token: _token, ...rest } = address;
  return formatAddress(rest);
}

const connectFailures: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there; is the server running, and is the port right?",
  ENOENT: "there is no such socket; is the server running?",
  EACCES: "this user may not use that socket; the server's owner and group may",
  ENOTFOUND: "the host name is not known",
  EAI_AGAIN: "the host name cannot be looked up now",
  EHOSTUNREACH: "no route leads there",
  ENETUNREACH: "no route leads there",
  ETIMEDOUT: "it does not answer",
  ECONNRESET: "it closed the connection at once; it may be full, or speak no TLS",
};

function connectFailed(where: string, error: NodeJS.ErrnoException): IscepError {
  const reason = connectFailures[error.code ?? ""] ?? error.message;
  return new IscepError("connect_failed", `cannot connect to ${where}: ${reason}`, { cause: error });
}
