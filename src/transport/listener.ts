/**
 * Listens on TCP, TLS or a unix socket. It covers the way from the accept to a connected (and, with TLS, encrypted)
 * socket.
 */
import { constants } from "node:crypto";
import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server as NetServer, type Socket } from "node:net";
import {
  createSecureContext,
  createServer as createTlsServer,
  type SecureContextOptions,
  type Server as TlsServer,
} from "node:tls";
import { isMainThread } from "node:worker_threads";
import { IscepError } from "../errors.js";

export interface CertificatePem {
  readonly certPem: string;
  readonly keyPem: string;
  /**
   * PEM texts of the authorities of client certificates; empty: every certificate is accepted, and only its key counts.
   * undefined: no certificate is asked for.
   */
  readonly clientAuthorities?: readonly string[] | undefined;
}

/** `admit`: serve it. `refuse`: say why in a packet, then close. `drop`: close at once. */
export type Verdict = { readonly verdict: "admit" | "drop" } | { readonly verdict: "refuse"; readonly reason: string };

export interface ListenerOptions {
  readonly endpoint: { readonly host: string; readonly port: number } | { readonly unix: string };
  /** undefined: cleartext. */
  readonly certificate?: CertificatePem | undefined;
  readonly backlog: number;
  readonly tlsHandshakeTimeoutMs: number;
  /** Called at the accept, before TLS, so that silent peers count too. `released` follows when the socket is gone. */
  admit(source: string): Verdict;
  released(source: string, refused: boolean): void;
  /** Called with TLS. */
  handshakeBegan(handshake: Handshake): void;
  /** Called when the handshake has ended, well or not. */
  handshakeOver(handshake: Handshake): void;
  /** `refusal` is there when `admit` refused: then the socket only waits for the packet that says so. */
  onConnection(socket: Socket, source: string, refusal: string | undefined): void;
  onTlsFailure(source: string, error: Error): void;
  /** The protocols that TLS clients may choose from, the best first. */
  alpnProtocols(): readonly string[];
}

/** A connection during its TLS handshake. */
export interface Handshake {
  readonly source: string;
  cut(): void;
}

export const unixSource = "unix";
/** A peer that was gone before the system could be asked for its address. */
export const unknownSource = "unknown";

export class Listener {
  readonly #options: ListenerOptions;
  readonly #net: NetServer;
  readonly #tls: TlsServer | undefined;
  /** Refused connections that wait for their handshake, by peer. */
  readonly #refusals = new Map<string, string>();
  /** Handshakes that are under way, by peer. */
  readonly #handshakes = new Map<string, Handshake & { readonly socket: Socket }>();
  readonly #sockets = new Set<Socket>();
  /** The sums of connections that are closed. */
  readonly #closedBytes = { receivedBytes: 0, sentBytes: 0 };
  #unknownPeers = 0;
  #stopped: Promise<void> | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
    // A client of version 1 that half-closes still gets its answer. In a TLS handshake, a peer that says no more is gone.
    this.#net = createServer(
      { allowHalfOpen: options.certificate === undefined, noDelay: true, keepAlive: true },
      (socket) => this.#accepted(socket),
    );
    if (options.certificate !== undefined) {
      const tls = createTlsServer({
        ...secureOptions(options.certificate),
        // A peer with a wrong certificate, or none, is told so in a packet: an alert of TLS says nothing to people.
        requestCert: options.certificate.clientAuthorities !== undefined,
        rejectUnauthorized: false,
        // A client that offers nothing, such as those of version 1, is served. A client that offers only other
        // protocols is refused.
        ALPNCallback: ({ protocols }) => options.alpnProtocols().find((ours) => protocols.includes(ours)),
        allowHalfOpen: true,
        minVersion: "TLSv1.2",
        handshakeTimeout: options.tlsHandshakeTimeoutMs,
      });
      tls.on("secureConnection", (socket) => {
        socket.allowHalfOpen = true;
        const peer = peerOf(socket);
        const refusal = this.#refusals.get(peer);
        this.#refusals.delete(peer);
        this.#handshakeOver(peer);
        options.onConnection(socket, this.#sourceOf(socket), refusal);
      });
      tls.on("tlsClientError", (error, socket) => {
        options.onTlsFailure(this.#sourceOf(socket), error);
        const cleartext = this.#handshakes.get(peerOf(socket))?.socket;
        if (cleartext === undefined || !isHttpWithoutTls(error) || !options.alpnProtocols().includes("http/1.1")) {
          socket.destroy();
          return;
        }
        cleartext.end(answerWithoutTls, () => socket.destroy());
      });
      this.#tls = tls;
    }
  }

  /** Returns the port, if there is one. @throws IscepError `listen_failed` */
  async listen(): Promise<number | undefined> {
    const { endpoint, backlog } = this.#options;
    if ("unix" in endpoint) {
      checkSocketPath(endpoint.unix);
      await removeStaleSocket(endpoint.unix);
      await withUmask(0o117, () => this.#bind({ path: endpoint.unix, backlog }, `the unix socket ${endpoint.unix}`));
      chmodSync(endpoint.unix, 0o660);
      return undefined;
    }
    await this.#bind({ host: endpoint.host, port: endpoint.port, backlog }, `${endpoint.host} port ${endpoint.port}`);
    const address = this.#net.address();
    return typeof address === "object" && address !== null ? address.port : endpoint.port;
  }

  #bind(
    where: { path: string; backlog: number } | { host: string; port: number; backlog: number },
    name: string,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const failed = (error: NodeJS.ErrnoException): void => reject(listenFailed(name, error));
      this.#net.once("error", failed);
      this.#net.listen(where, () => {
        this.#net.off("error", failed);
        // An accept can fail later, for example without a free file descriptor. Open connections go on.
        this.#net.on("error", (error) => this.#options.onTlsFailure("accept", error));
        resolve();
      });
    });
  }

  #accepted(socket: Socket): void {
    const source = this.#sourceOf(socket);
    const decision = this.#options.admit(source);
    if (decision.verdict === "drop") {
      socket.destroy();
      return;
    }
    const refusal = decision.verdict === "refuse" ? decision.reason : undefined;
    this.#sockets.add(socket);
    // `close` comes only once, and `once` would keep two more objects for each connection.
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#closedBytes.receivedBytes += socket.bytesRead;
      this.#closedBytes.sentBytes += socket.bytesWritten;
      this.#options.released(source, refusal !== undefined);
    });
    if (this.#tls === undefined) {
      this.#options.onConnection(socket, source, refusal);
    } else {
      // The system does not know the peer any more if it is gone already. Such peers must not count as one.
      const peer = socket.remotePort === undefined ? `${unknownSource} ${++this.#unknownPeers}` : peerOf(socket);
      socket.on("close", () => {
        this.#refusals.delete(peer);
        this.#handshakeOver(peer);
      });
      if (refusal !== undefined) this.#refusals.set(peer, refusal);
      const handshake = { source, socket, cut: () => socket.destroy() };
      this.#handshakes.set(peer, handshake);
      this.#options.handshakeBegan(handshake);
      // TLSSocket handles errors after the handshake began. A reset before that needs no report.
      socket.on("error", () => socket.destroy());
      this.#tls.emit("connection", socket);
    }
  }

  #sourceOf(socket: Socket): string {
    if ("unix" in this.#options.endpoint) return unixSource;
    return socket.remoteAddress?.replace(/^::ffff:/, "") ?? unknownSource;
  }

  #handshakeOver(peer: string): void {
    const handshake = this.#handshakes.get(peer);
    if (handshake === undefined) return;
    this.#handshakes.delete(peer);
    this.#options.handshakeOver(handshake);
  }

  /** What came and went over all connections so far, as the system sees it. */
  get bytes(): { readonly receivedBytes: number; readonly sentBytes: number } {
    let { receivedBytes, sentBytes } = this.#closedBytes;
    for (const socket of this.#sockets) {
      receivedBytes += socket.bytesRead;
      sentBytes += socket.bytesWritten;
    }
    return { receivedBytes, sentBytes };
  }

  /** Uses this certificate for handshakes from now on. @throws when key and certificate do not belong together */
  setCertificate(certificate: CertificatePem): void {
    this.#tls?.setSecureContext(secureOptions(certificate));
  }

  /** Accepts no more connections. Open connections go on. */
  stopAccepting(): void {
    if (this.#net.listening) this.#stopped = new Promise((resolve) => this.#net.close(() => resolve()));
  }

  /** Cuts all open connections. Resolves when neither the port nor a socket is held any more. */
  async close(): Promise<void> {
    this.stopAccepting();
    const open = [...this.#sockets].map((socket) => new Promise((resolve) => socket.once("close", resolve)));
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all([this.#stopped, ...open]);
  }
}

function isHttpWithoutTls(error: NodeJS.ErrnoException): boolean {
  return error.code === "ERR_SSL_HTTP_REQUEST";
}

const withoutTlsText = "This port speaks TLS: ask for https:// instead of http://\n";
const answerWithoutTls = [
  "HTTP/1.1 400 Bad Request",
  "Content-Type: text/plain",
  `Content-Length: ${withoutTlsText.length}`,
  "Connection: close",
  "",
  withoutTlsText,
].join("\r\n");

function secureOptions({ certPem, keyPem, clientAuthorities }: CertificatePem): SecureContextOptions {
  if (clientAuthorities === undefined) return { cert: certPem, key: keyPem };
  // Without an entry here, OpenSSL would take the system's authorities. Without tickets no session is resumed, so each
  // connection proves its key again, to the authorities of today.
  return { cert: certPem, key: keyPem, ca: [...clientAuthorities], secureOptions: constants.SSL_OP_NO_TICKET };
}

/** @throws IscepError `configuration` when OpenSSL refuses the pair */
export function checkCertificate(certificate: CertificatePem): void {
  try {
    createSecureContext(secureOptions(certificate));
  } catch (error) {
    throw new IscepError(
      "configuration",
      "certificate and key cannot be used together; make new ones with `iscep cert`",
      {
        cause: error,
      },
    );
  }
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress ?? unknownSource} ${socket.remotePort ?? 0}`;
}

/**
 * Only owner and group may connect, from the first moment on, because the mode of the file is the only check. Node
 * binds before listen() returns, so the process has the other umask only for that time.
 */
function withUmask(mask: number, bind: () => Promise<void>): Promise<void> {
  if (!isMainThread) return bind();
  const before = process.umask(mask);
  try {
    return bind();
  } finally {
    process.umask(before);
  }
}

/** A killed server leaves its socket file behind. If a server answers on it, the path is in use. */
function removeStaleSocket(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      reject(
        new IscepError(
          "listen_failed",
          `another server listens on the unix socket ${path}; stop it, or choose another path`,
        ),
      );
    });
    probe.once("error", (error: NodeJS.ErrnoException) => {
      try {
        if (error.code === "ECONNREFUSED") {
          // A plain file refuses a connection too, but it is data of somebody.
          if (!lstatSync(path).isSocket()) {
            reject(new IscepError("listen_failed", `${path} is there already, and is no socket; choose another path`));
            return;
          }
          unlinkSync(path);
        }
        resolve();
      } catch (cause) {
        reject(
          new IscepError("listen_failed", `the stale socket ${path} cannot be removed; remove it by hand`, { cause }),
        );
      }
    });
  });
}

const listenFailures: Readonly<Record<string, string>> = {
  EADDRINUSE: "it is in use; stop what uses it, or choose another with --port",
  EACCES: "this user may not; ports below 1024 need a privilege",
  EADDRNOTAVAIL: "this machine has no such address",
  ENOTFOUND: "the host name is not known",
  ENOENT: "its folder does not exist",
};

/** The system silently cuts a longer path, and the socket would be at another place (unix(7): 108 bytes with the NUL). */
const maxSocketPathBytes = process.platform === "darwin" ? 103 : 107;

/** @throws IscepError `listen_failed` */
export function checkSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= maxSocketPathBytes) return;
  throw new IscepError(
    "listen_failed",
    `the path of the unix socket has ${bytes} bytes, and the system allows ${maxSocketPathBytes}; choose a shorter one`,
  );
}

function listenFailed(where: string, error: NodeJS.ErrnoException): IscepError {
  // For a unix socket, Node reports EACCES when the system said ENOENT.
  const isPath = where.startsWith("the unix socket") && error.code === "EACCES";
  const reason = isPath
    ? "its folder does not exist, or this user may not write there"
    : (listenFailures[error.code ?? ""] ?? error.message);
  return new IscepError("listen_failed", `cannot listen on ${where}: ${reason}`, { cause: error });
}
