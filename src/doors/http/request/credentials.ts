/** Who sends a request: by `Authorization: Bearer TOKEN`, or by the cookie of a browser's session. */
import { IscepError } from "../../../errors.js";
import type { BrowserSessions } from "./browser-sessions.js";
import type { HttpContext } from "./mount.js";

/**
 * Browsers send a cookie to all ports of a host, so the name has the port. `__Host-` makes them refuse a cookie that
 * another host or another path has set, and needs TLS.
 */
export function cookieName({ req, env }: HttpContext): string {
  const port = /:(\d+)$/.exec(req.header("host") ?? "")?.[1];
  const name = port === undefined ? "iscep" : `iscep-${port}`;
  return env.peer.tls ? `__Host-${name}` : name;
}

function sessionCookie(context: HttpContext): string | undefined {
  const name = cookieName(context);
  for (const pair of (context.req.header("cookie") ?? "").split(";")) {
    const end = pair.indexOf("=");
    if (end !== -1 && pair.slice(0, end).trim() === name) return pair.slice(end + 1).trim();
  }
  return undefined;
}

/**
 * The token of the caller; undefined when it shows none.
 * @throws IscepError `unauthorized` when it shows something else
 */
export function tokenOf(context: HttpContext, sessions: BrowserSessions): string | undefined {
  const authorization = context.req.header("authorization");
  if (authorization !== undefined) return bearerTokenIn(authorization);
  const cookie = ownCookie(context);
  return cookie === undefined ? undefined : sessions.tokenOf(cookie, Date.now());
}

/** @throws IscepError `unauthorized` when there is something else in the header */
export function bearerTokenIn(authorization: string): string {
  const token = /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
  if (token !== undefined) return token;
  throw new IscepError("unauthorized", "the header Authorization must be `Bearer TOKEN`");
}

/** The cookie of a request of our own page. A page of another origin, even a listed one, must not act for its visitor. */
export function ownCookie(context: HttpContext): string | undefined {
  return isOwnPage(context.req.raw.headers) ? sessionCookie(context) : undefined;
}

/** False for a request that a page of another origin has made. */
export function isOwnPage(headers: Headers): boolean {
  const origin = headers.get("origin");
  if (origin !== null) return isOwnOrigin(origin, (headers.get("host") ?? "").toLowerCase());
  const site = headers.get("sec-fetch-site") ?? "none";
  return site === "same-origin" || site === "none";
}

/** A proxy may add TLS, so only the host counts. */
function isOwnOrigin(origin: string, host: string): boolean {
  return /^https?:\/\/(.+)$/.exec(origin.toLowerCase())?.[1] === host;
}
