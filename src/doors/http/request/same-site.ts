/**
 * Keeps foreign web pages out. A page of another origin may make a browser send requests here (CSRF), and may make its own
 * name lead here (DNS rebinding). So the names in Host are listed, and a write must come from our own page, or from no page.
 */
import { isIP } from "node:net";
import type { IscepError } from "../../../errors.js";
import { isOwnPage } from "./credentials.js";
import { httpFault, problem } from "../answer/problem.js";
import type { HttpSettings } from "./settings.js";

const safeMethods = new Set(["GET", "HEAD", "OPTIONS"]);

export interface SameSite {
  /** The answer to a request that must go no further. */
  refusal(request: SiteRequest): Response | undefined;
  /** True when this header Host is written in the usual way, and names this server. */
  answersTo(host: string): boolean;
  /** Lets a listed page read the answer. */
  open(request: SiteRequest, response: Response): Response;
}

type SiteRequest = Pick<Request, "method" | "headers">;

export function sameSite({ hosts = [], origins = [], listen = [] }: HttpSettings): SameSite {
  const names = new Set(
    [...hosts, ...listen.flatMap((place) => ("host" in place ? place.host : []))].map((name) => name.toLowerCase()),
  );
  const allowsAll = names.has("*");
  const mayBe = (name: string): boolean =>
    allowsAll || names.has(name) || name === "localhost" || name.endsWith(".localhost") || isAddress(name);
  const listed = new Set(origins);
  // The requests of one connection have the same Host, so the last good one is remembered.
  let known = "";
  return {
    answersTo(host) {
      if (host === known) return true;
      if (!usualHost.test(host) || !mayBe(nameIn(host))) return false;
      known = host;
      return true;
    },
    refusal({ method, headers }) {
      const name = nameIn(headers.get("host") ?? "");
      if (!mayBe(name)) return problem(foreignHost(name));
      if (safeMethods.has(method) && method !== "OPTIONS") return undefined;
      const origin = headers.get("origin");
      const isListed = origin !== null && listed.has(origin);
      if (method === "OPTIONS") return isListed ? preflight(origin) : undefined;
      return isListed || isOwnPage(headers) ? undefined : problem(foreignPage());
    },
    open({ headers }, response) {
      const origin = listed.size === 0 ? null : headers.get("origin");
      if (origin === null || !listed.has(origin)) return response;
      for (const [field, value] of Object.entries(allowed(origin))) response.headers.append(field, value);
      return response;
    },
  };
}

/** An address or a name, maybe with a port. The first letter of a name tells it from an address that is written oddly. */
const usualHost =
  /^(?:[A-Za-z][A-Za-z0-9-]*(?:\.[A-Za-z][A-Za-z0-9-]*)*|\d{1,3}(?:\.\d{1,3}){3})(?::\d{1,4}|:[1-5]\d{4})?$/;

function nameIn(host: string): string {
  return host.toLowerCase().replace(/:\d+$/, "");
}

function foreignHost(name: string): IscepError {
  const hint = /^[\w.-]{1,253}$/.test(name) ? `add \`${name}\` to` : "add the name to";
  const message = `this server does not answer to this Host; ${hint} \`hosts\` of \`http\` if it should`;
  return httpFault(421, "unauthorized", message);
}

export function foreignPage(): IscepError {
  const message = "a page of another origin may not do this; add it to `origins` of `http` if it should";
  return httpFault(403, "unauthorized", message);
}

/** Without credentials: a listed page sends a token of its own, and never our cookie. */
function allowed(origin: string): Record<string, string> {
  return {
    "access-control-allow-origin": origin,
    "access-control-expose-headers":
      "Location, Retry-After, Preference-Applied, Content-Range, RateLimit, RateLimit-Policy",
    vary: "Origin",
  };
}

function preflight(origin: string): Response {
  return new Response(null, {
    status: 204,
    headers: {
      ...allowed(origin),
      "access-control-allow-methods": "GET, HEAD, POST, PUT, DELETE",
      "access-control-allow-headers": "Authorization, Content-Type, Prefer, Idempotency-Key, Last-Event-ID, Range",
      "access-control-max-age": "600",
    },
  });
}

/** To rebind, an attacker needs a name. */
function isAddress(name: string): boolean {
  return isIP(name.startsWith("[") && name.endsWith("]") ? name.slice(1, -1) : name) !== 0;
}
