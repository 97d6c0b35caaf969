/**
 * Sessions of browsers. A page shows its token once and gets a cookie that scripts cannot read. The cookie is a number
 * without meaning, so a sign-out ends it here, and it cannot be used at other doors.
 */
import { createHash, randomBytes } from "node:crypto";

interface BrowserSession {
  readonly token: string;
  expiresAtMs: number;
}

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
    for (const [key, { expiresAtMs }] of this.#sessions) {
      if (expiresAtMs > nowMs && this.#sessions.size < this.#maxSessions) break;
      this.#sessions.delete(key);
    }
    const cookie = randomBytes(32).toString("base64url");
    this.#sessions.set(keyOf(cookie), { token, expiresAtMs: nowMs + this.#lifetimeMs });
    return cookie;
  }

  tokenOf(cookie: string, nowMs: number): string | undefined {
    const session = this.#sessions.get(keyOf(cookie));
    return session === undefined || session.expiresAtMs <= nowMs ? undefined : session.token;
  }

  end(cookie: string): void {
    this.#sessions.delete(keyOf(cookie));
  }
}

function keyOf(cookie: string): string {
  return createHash("sha256").update(cookie).digest("base64url");
}
