/**
 * Keeps foreign web pages out. A page of another origin may make a browser send requests here (CSRF), and may make its own
 * name lead here (DNS rebinding). So the names in Host are listed, and a write must come from our own page, or from no page.
 */
import { isIP } from "node:net";
import type { MiddlewareHandler } from "hono";
import type { IscepError } from "../../errors.js";
import { isOwnPage } from "./credentials.js";
import type { HttpEnv } from "./mount.js";
import { httpFault, problem } from "./problem.js";
import type { HttpSettings } from "./settings.js";

const safeMethods = new Set(["GET", "HEAD", "OPTIONS"]);

export function sameSite({ hosts = [], origins = [], listen = [] }: HttpSettings): MiddlewareHandler<HttpEnv> {
  const names = new Set(
    [...hosts, ...listen.flatMap((place) => ("host" in place ? place.host : []))].map((name) => name.toLowerCase()),
  );
  const allowsAll = names.has("*");
  const mayBe = (name: string): boolean =>
    allowsAll || names.has(name) || name === "localhost" || name.endsWith(".localhost") || isAddress(name);
  return async (context, next): Promise<Response | undefined> => {
    const { req } = context;
    const host = (req.header("host") ?? "").toLowerCase();
    const name = host.replace(/:\d+$/, "");
    if (!mayBe(name)) return problem(foreignHost(name));
    const origin = req.header("origin");
    const isListed = origin !== undefined && origins.includes(origin);
    if (isListed && req.method === "OPTIONS") return preflight(origin);
    if (!safeMethods.has(req.method) && !isListed) {
      if (!isOwnPage(context)) return problem(foreignPage());
    }
    await next();
    if (isListed) {
      for (const [field, value] of Object.entries(allowed(origin))) context.res.headers.append(field, value);
    }
    return undefined;
  };
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
      "access-control-allow-methods": "GET, HEAD, POST, DELETE",
      "access-control-allow-headers": "Authorization, Content-Type, Prefer, Idempotency-Key, Last-Event-ID, Range",
      "access-control-max-age": "600",
    },
  });
}

/** To rebind, an attacker needs a name. */
function isAddress(name: string): boolean {
  return isIP(name.startsWith("[") && name.endsWith("]") ? name.slice(1, -1) : name) !== 0;
}
