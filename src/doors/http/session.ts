/** `/session`: who the caller is and what they may, and how a browser signs in and out. */
import { IscepError } from "../../errors.js";
import { cookieName, sessionCookie } from "./credentials.js";
import type { HttpContext, HttpMount } from "./mount.js";
import { jsonObjectOf } from "./request-json.js";

export const mountSession: HttpMount = (app, host) => {
  app.get("/session", async (context) => context.json({ commands: (await host.clientOf(context).list()).length }));
  app.post("/session", async (context) => {
    const { token } = await jsonObjectOf(context, host.limits);
    if (typeof token !== "string") throw new IscepError("usage", 'the body must be {"token": "…"}');
    await context.env.peer.client(token).list();
    const { sessions } = host;
    setCookie(context, sessions.begin(token, Date.now()), Math.floor(sessions.lifetimeMs / 1_000));
    return context.body(null, 204);
  });
  app.delete("/session", (context) => {
    const cookie = sessionCookie(context);
    if (cookie !== undefined) host.sessions.end(cookie);
    setCookie(context, "", 0);
    return context.body(null, 204);
  });
};

function setCookie(context: HttpContext, value: string, seconds: number): void {
  const secure = context.env.peer.tls ? "; Secure" : "";
  context.header(
    "set-cookie",
    `${cookieName(context)}=${value}; Max-Age=${seconds}; Path=/; HttpOnly; SameSite=Strict${secure}`,
  );
}
