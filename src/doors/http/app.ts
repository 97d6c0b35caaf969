/** The whole door as a function from a request to its answer, which needs no port. */
import { Hono } from "hono";
import type { Client } from "../../client/client.js";
import type { DoorServer } from "../door.js";
import { BrowserSessions } from "./browser-sessions.js";
import { ownCookie, tokenOf } from "./credentials.js";
import type { HttpContext, HttpEnv, HttpHost } from "./mount.js";
import { mounts } from "./mounts.js";
import { problem } from "./problem.js";
import { sameSite } from "./same-site.js";
import type { HttpSettings } from "./settings.js";
import { unknownRequest } from "./unknown.js";

export function httpApp(server: DoorServer, settings: HttpSettings): Hono<HttpEnv> {
  const { limits } = server;
  const sessions = new BrowserSessions(limits);
  const host: HttpHost = {
    server,
    limits,
    settings,
    sessions,
    followerOf: (context) => followerOf(context, sessions),
    clientOf: (context) => context.env.peer.client(tokenOf(context, sessions)),
  };
  const app = new Hono<HttpEnv>();
  app.onError((error) => problem(error));
  app.use(sameSite(settings));
  for (const mount of mounts) mount(app, host);
  app.notFound(unknownRequest(app));
  return app;
}

/** A session of a browser that ends takes with it what follows runs in its name. */
function followerOf(context: HttpContext, sessions: BrowserSessions): Client {
  const client = context.env.peer.follower(tokenOf(context, sessions));
  const cookie = context.req.header("authorization") === undefined ? ownCookie(context) : undefined;
  if (cookie === undefined) return client;
  const forget = sessions.whenEnded(cookie, () => void client.close());
  const close = client.close.bind(client);
  client.close = () => {
    forget();
    return close();
  };
  return client;
}
