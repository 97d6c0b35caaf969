/** The whole door as a function from a request to its answer, which needs no port. */
import { Hono } from "hono";
import type { Client } from "../../client/client.js";
import { isIscepError } from "../../errors.js";
import type { BuiltInDoorServer } from "../built-in-door.js";
import { BrowserSessions } from "./request/browser-sessions.js";
import { ownCookie, tokenOf } from "./request/credentials.js";
import type { HttpContext, HttpEnv, HttpHost, HttpPeer } from "./request/mount.js";
import { mounts } from "./mounts.js";
import { OpenInputs } from "./input/open-inputs.js";
import { problem } from "./answer/problem.js";
import { sameSite, type SameSite } from "./request/same-site.js";
import type { HttpSettings } from "./request/settings.js";
import { unknownRequest } from "./unknown.js";

/** Answers a request that came over this connection. */
export type HttpApp = (request: Request, peer: HttpPeer) => Response | Promise<Response>;

/** @param inputs the inputs that the door ends when it closes */
export function httpApp(
  server: BuiltInDoorServer,
  settings: HttpSettings,
  site: SameSite = sameSite(settings),
  inputs: OpenInputs = new OpenInputs(),
): HttpApp {
  const { limits } = server;
  const sessions = new BrowserSessions(limits);
  const host: HttpHost = {
    server,
    limits,
    settings,
    sessions,
    inputs,
    followerOf: (context) => ofSession(context, sessions, "follower"),
    lastingClientOf: (context) => ofSession(context, sessions, "lasting"),
    clientOf: (context) => withCredentials(context, sessions, "client"),
  };
  const app = new Hono<HttpEnv>();
  app.onError((error) => problem(error));
  for (const mount of mounts) mount(app, host);
  app.notFound(unknownRequest(app));
  // This check is no middleware of hono, because one costs as much as a whole route.
  return (request, peer) => {
    const answer = site.refusal(request) ?? app.fetch(request, { peer });
    return answer instanceof Promise
      ? answer.then((response) => site.open(request, response))
      : site.open(request, answer);
  };
}

type ClientKind = "client" | "follower" | "lasting";

/**
 * A cookie is no guess at a token. When its token is not good any more, the session is over, and the address has done
 * nothing wrong.
 * @throws IscepError `unauthorized`, `busy`
 */
function withCredentials(context: HttpContext, sessions: BrowserSessions, kind: ClientKind): Client {
  const { peer } = context.env;
  const token = tokenOf(context, sessions);
  const cookie = token === undefined ? undefined : cookieOf(context);
  if (cookie === undefined) return peer[kind](token);
  try {
    return peer[kind](token, true);
  } catch (error) {
    if (isIscepError(error) && error.code === "unauthorized") sessions.end(cookie);
    throw error;
  }
}

function cookieOf(context: HttpContext): string | undefined {
  return context.req.header("authorization") === undefined ? ownCookie(context) : undefined;
}

/** When a session of a browser ends, everything ends that follows runs in its name, or types to them. */
function ofSession(context: HttpContext, sessions: BrowserSessions, kind: ClientKind): Client {
  const client = withCredentials(context, sessions, kind);
  const cookie = cookieOf(context);
  if (cookie === undefined) return client;
  const forget = sessions.whenEnded(cookie, () => void client.close());
  client.on("closed", forget);
  return client;
}
