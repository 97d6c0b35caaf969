/**
 * What connections to one server share: a TLS context for each trust, and the last TLS 1.3 session, with which the next
 * connection needs no certificate and no signature.
 *
 * A resumed session shows no certificate, so it may only go on with what was checked when it was new. That holds because a
 * session is kept only after the check, and is found only by the same host, port, pins and authorities. It is forgotten when its
 * time is over, when its certificate ends, and when a connection to that place fails or is not trusted.
 */
import { createSecureContext, type ConnectionOptions, type SecureContext, type TLSSocket } from "node:tls";
import type { Trust } from "../identity/trust.js";

export interface TlsSessionLimits {
  readonly maxTlsSessions: number;
  readonly tlsSessionLifetimeMs: number;
}

interface Kept {
  readonly session: Buffer;
  /** By Date.now(): the certificate ends by the clock. */
  readonly endsAtMs: number;
}

/** By place and trust. The one that was used longest ago comes first. */
const sessions = new Map<string, Kept>();
/** By what a context is made of. The one that was used longest ago comes first. */
const contexts = new Map<string, SecureContext>();
/** A certificate of our own, and its key, stay with the client that shows them. */
const ownContexts = new WeakMap<Trust, SecureContext>();

export interface TlsPlace {
  readonly host: string;
  readonly port: number;
  readonly trust: Trust;
  readonly limits: TlsSessionLimits;
}

/** One attempt to connect to a place. */
export class TlsAttempt {
  readonly #place: TlsPlace;
  /** undefined: no session is kept, because the client shows a certificate, which each connection must prove. */
  readonly #key: string | undefined;
  readonly #resumed: Kept | undefined;

  constructor(place: TlsPlace) {
    const { host, port, trust } = place;
    this.#place = place;
    this.#key = trust.name === undefined ? undefined : JSON.stringify([host, port, trust.name]);
    const kept = this.#key === undefined ? undefined : sessions.get(this.#key);
    if (kept !== undefined && Date.now() >= kept.endsAtMs) this.distrust();
    else this.#resumed = kept;
  }

  /** Further options for tls.connect. */
  get options(): Pick<ConnectionOptions, "secureContext" | "session"> {
    const secureContext = contextOf(this.#place);
    return this.#resumed === undefined ? { secureContext } : { secureContext, session: this.#resumed.session };
  }

  /**
   * Call this at 'secureConnect', before the first write. Sessions of a trusted server are kept from then on.
   * @throws IscepError `not_trusted`
   */
  check(socket: TLSSocket): void {
    const { trust, limits } = this.#place;
    if (this.#resumed !== undefined && socket.isSessionReused()) {
      trust.checkResumed(socket);
      this.#keep(socket, this.#resumed.endsAtMs);
      return;
    }
    const certificate = trust.check(socket);
    if (certificate === undefined) return;
    this.#keep(socket, Math.min(Date.now() + limits.tlsSessionLifetimeMs, Date.parse(certificate.validTo)));
  }

  /** @param endsAtMs resuming again and again makes no session live longer, so the certificate is checked again by then */
  #keep(socket: TLSSocket, endsAtMs: number): void {
    const key = this.#key;
    const { maxTlsSessions } = this.#place.limits;
    // The exporter of a resumed TLS 1.2 connection needs an extension that not every peer has (RFC 9266, section 4).
    if (key === undefined || socket.getProtocol() !== "TLSv1.3" || Date.now() >= endsAtMs) return;
    socket.on("session", (session: Buffer) => put(sessions, key, { session, endsAtMs }, maxTlsSessions));
  }

  /** The server there is not trusted, or does not answer as it should. */
  distrust(): void {
    if (this.#key !== undefined) sessions.delete(this.#key);
  }
}

function contextOf({ trust, limits }: TlsPlace): SecureContext {
  if (trust.name === undefined) {
    const own = ownContexts.get(trust) ?? createSecureContext(trust.connection);
    ownContexts.set(trust, own);
    return own;
  }
  const context = contexts.get(trust.contextName) ?? createSecureContext(trust.connection);
  put(contexts, trust.contextName, context, Math.max(1, limits.maxTlsSessions));
  return context;
}

function put<Value>(map: Map<string, Value>, key: string, value: Value, most: number): void {
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= most) return;
    map.delete(oldest);
  }
}
