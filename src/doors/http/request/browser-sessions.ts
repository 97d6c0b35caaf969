/**
 * Sessions of browsers. A page shows its token once and gets a cookie that scripts cannot read. The cookie is a number
 * without meaning, so a sign-out ends it here, and it cannot be used at other doors.
 */
import { createHash, randomBytes } from "node:crypto";

interface BrowserSession {
  readonly token: string;
  readonly expiresAtMs: number;
  readonly timer: NodeJS.Timeout;
  /** Called when the session ends: what was opened with it must end too. */
  readonly endings: Set<() => void>;
}

const longestTimerMs = 2 ** 31 - 1;

export class BrowserSessions {
  readonly #maxSessions: number;
  readonly #lifetimeMs: number;
  /** By the hash of the cookie, so that the time of a look-up tells nothing. The oldest come first. */
  readonly #sessions = new Map<string, BrowserSession>();

  constructor(limits: { readonly maxBrowserSessions: number; readonly browserSessionMs: number }) {
    this.#maxSessions = limits.maxBrowserSessions;
    this.#lifetimeMs = limits.browserSessionMs;
  }

  get lifetimeMs(): number {
    return this.#lifetimeMs;
  }

  /** Returns the text of the cookie. */
  begin(token: string, nowMs: number): string {
    while (this.#sessions.size >= this.#maxSessions) this.#makeRoom();
    const cookie = randomBytes(32).toString("base64url");
    const key = keyOf(cookie);
    const timer = setTimeout(() => this.#end(key), Math.min(this.#lifetimeMs, longestTimerMs)).unref();
    this.#sessions.set(key, { token, expiresAtMs: nowMs + this.#lifetimeMs, timer, endings: new Set() });
    return cookie;
  }

  /**
   * The oldest session of the token that has the most sessions goes. So a person who signs in again and again does not
   * sign others out.
   */
  #makeRoom(): void {
    const byToken = new Map<string, string[]>();
    for (const [key, { token }] of this.#sessions) {
      const keys = byToken.get(token);
      if (keys === undefined) byToken.set(token, [key]);
      else keys.push(key);
    }
    let most: string[] = [];
    for (const keys of byToken.values()) if (keys.length > most.length) most = keys;
    const [oldest] = most;
    if (oldest !== undefined) this.#end(oldest);
  }

  tokenOf(cookie: string, nowMs: number): string | undefined {
    const session = this.#sessions.get(keyOf(cookie));
    return session === undefined || session.expiresAtMs <= nowMs ? undefined : session.token;
  }

  /** Calls `ended` when the session ends. Returns a function that takes this back. */
  whenEnded(cookie: string, ended: () => void): () => void {
    const endings = this.#sessions.get(keyOf(cookie))?.endings;
    endings?.add(ended);
    return () => void endings?.delete(ended);
  }

  end(cookie: string): void {
    this.#end(keyOf(cookie));
  }

  #end(key: string): void {
    const session = this.#sessions.get(key);
    if (session === undefined) return;
    this.#sessions.delete(key);
    clearTimeout(session.timer);
    for (const ended of session.endings) ended();
  }
}

function keyOf(cookie: string): string {
  return createHash("sha256").update(cookie).digest("base64url");
}
