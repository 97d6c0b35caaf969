/** The whole door as a function from a request to its answer, which needs no port. */
import { Hono } from "hono";
import type { DoorServer } from "../door.js";
import { BrowserSessions } from "./browser-sessions.js";
import { tokenOf } from "./credentials.js";
import type { HttpEnv, HttpHost } from "./mount.js";
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
    followerOf: (context) => context.env.peer.follower(tokenOf(context, sessions)),
    clientOf: (context) => context.env.peer.client(tokenOf(context, sessions)),
  };
  const app = new Hono<HttpEnv>();
  app.onError((error) => problem(error));
  app.use(sameSite(settings));
  for (const mount of mounts) mount(app, host);
  app.notFound(unknownRequest(app));
  return app;
}
