import type { Limits } from "../limits/limits.js";
import type { WrittenBytes } from "../transport/written-bytes.js";

export interface Due {
  readonly reason: string;
  /**
   * `tell`: an ERROR packet comes first. `end`: no packet, because an idle peer would treat it as the answer to its
   * next one. `cut`: the socket is closed at once, because the peer does not read.
   */
  readonly how: "tell" | "end" | "cut";
}

/**
 * Every way in which a connection can take too long. These are plain numbers and no timers: the server's sweep asks
 * `due` for all of its connections several times a second.
 */
export class ConnectionDeadlines {
  readonly openedAtMs: number;
  readonly #limits: Limits;
  readonly #idleTimeoutMs: number;
  #mustAuthenticate: boolean;
  #lastProgressMs: number;
  /** When the first byte of an incomplete packet came; 0 when there is none. */
  #packetStartedMs = 0;
  #packetBytes = 0;
  #closingMs = 0;
  /** It has changed when the system has taken more. */
  #sentBytes = 0;
  #sentAtMs: number;

  constructor(limits: Limits, nowMs: number, mustAuthenticate: boolean, idleTimeoutMs: number = limits.idleTimeoutMs) {
    this.#limits = limits;
    this.#idleTimeoutMs = idleTimeoutMs;
    this.openedAtMs = nowMs;
    this.#lastProgressMs = nowMs;
    this.#sentAtMs = nowMs;
    this.#mustAuthenticate = mustAuthenticate;
  }

  authenticated(): void {
    this.#mustAuthenticate = false;
  }

  /** Bytes came, an answer went out, or a run ended. */
  progress(nowMs: number, state: { pendingBytes: number; isHeldBack: boolean; packetCompleted: boolean }): void {
    this.#lastProgressMs = nowMs;
    if (state.packetCompleted) this.#packetStartedMs = 0;
    this.#packetBytes = state.pendingBytes;
    // We ourselves delay a packet that waits behind a run, for its turn, or for a slow reader.
    if (state.pendingBytes === 0 || state.isHeldBack) {
      this.#packetStartedMs = 0;
    } else if (this.#packetStartedMs === 0) {
      this.#packetStartedMs = nowMs;
    }
  }

  /** Our last packet is on its way. */
  closing(nowMs: number): void {
    this.#closingMs = nowMs;
  }

  due(nowMs: number, running: boolean, written: WrittenBytes): Due | undefined {
    const { sentBytes, unsentBytes } = written;
    const limits = this.#limits;
    if (unsentBytes === 0 || sentBytes !== this.#sentBytes) this.#sentAtMs = nowMs;
    this.#sentBytes = sentBytes;
    if (nowMs - this.#sentAtMs > limits.writeStallTimeoutMs) {
      return { reason: `the peer read nothing for ${limits.writeStallTimeoutMs} ms`, how: "cut" };
    }
    if (this.#closingMs !== 0) {
      const lingers = !running && nowMs - this.#closingMs > limits.lingerTimeoutMs && unsentBytes === 0;
      return lingers ? { reason: "the peer did not close", how: "cut" } : undefined;
    }
    if (this.#mustAuthenticate && nowMs - this.openedAtMs > limits.authenticationTimeoutMs) {
      return { reason: `no packet with a good token came within ${limits.authenticationTimeoutMs} ms`, how: "tell" };
    }
    if (this.#packetStartedMs !== 0) {
      const allowedMs =
        limits.packetTimeoutMs + Math.floor(this.#packetBytes / 65_536) * limits.packetTimeoutPer64KiBMs;
      if (nowMs - this.#packetStartedMs > allowedMs) {
        return { reason: `a packet was not whole within ${allowedMs} ms`, how: "tell" };
      }
    }
    if (!running && unsentBytes === 0 && nowMs - this.#lastProgressMs > this.#idleTimeoutMs) {
      return { reason: `nothing came for ${this.#idleTimeoutMs} ms`, how: "end" };
    }
    return undefined;
  }
}
