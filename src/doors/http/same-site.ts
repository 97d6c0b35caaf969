/**
 * Keeps foreign web pages out. A page of another origin may make a browser send requests here (CSRF), and may make its own
 * name lead here (DNS rebinding). So the names in Host are listed, and a write must come from our own page, or from no page.
 */
import { isIP } from "node:net";
import type { MiddlewareHandler } from "hono";
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
  return async ({ req }, next) => {
    const host = (req.header("host") ?? "").toLowerCase();
    const name = host.replace(/:\d+$/, "");
    if (!mayBe(name)) {
      const hint = /^[\w.-]{1,253}$/.test(name) ? `add \`${name}\` to` : "add the name to";
      return problem(
        httpFault(
          421,
          "unauthorized",
          `this server does not answer to this Host; ${hint} \`hosts\` of \`http\` if it should`,
        ),
      );
    }
    const origin = req.header("origin");
    if (safeMethods.has(req.method)) return next();
    const site = req.header("sec-fetch-site");
    const isOurs =
      origin === undefined
        ? site === undefined || site === "same-origin" || site === "none"
        : isOwn(origin, host, origins);
    if (isOurs) return next();
    return problem(
      httpFault(
        403,
        "unauthorized",
        "a page of another origin may not do this; add it to `origins` of `http` if it should",
      ),
    );
  };
}

/** A proxy may add TLS, so only the host counts. */
function isOwn(origin: string, host: string, origins: readonly string[]): boolean {
  return origins.includes(origin) || /^https?:\/\/(.+)$/.exec(origin.toLowerCase())?.[1] === host;
}

/** To rebind, an attacker needs a name. */
function isAddress(name: string): boolean {
  return isIP(name.startsWith("[") && name.endsWith("]") ? name.slice(1, -1) : name) !== 0;
}
