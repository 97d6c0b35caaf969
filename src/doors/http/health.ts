/** `/livez`, `/readyz` and `/metrics`: for programs that watch the server. */
import { expositionType } from "../../metrics/exposition.js";
import { tokenOf } from "./request/credentials.js";
import type { HttpMount } from "./request/mount.js";

export const mountHealth: HttpMount = (app, { server, sessions }) => {
  // A probe has no token, and is told nothing else.
  app.get("/livez", (context) => context.text("ok\n", 200, { "cache-control": "no-store" }));
  app.get("/readyz", (context) => {
    const reason = server.unready();
    return context.text(`${reason ?? "ok"}\n`, reason === undefined ? 200 : 503, { "cache-control": "no-store" });
  });
  app.get("/metrics", (context) => {
    // A cookie is no guess at a token.
    const isOfBrowser = context.req.header("authorization") === undefined;
    const text = context.env.peer.metrics(tokenOf(context, sessions), isOfBrowser);
    return context.body(text, 200, { "content-type": expositionType, "cache-control": "no-store" });
  });
};
