/** `/session`: who the caller is and what they may, and how a browser signs in and out. */
import type { Client } from "../../client/client.js";
import { IscepError, isIscepError } from "../../errors.js";
import { scopesForRunning } from "../../identity/scopes.js";
import { cookieName, isOwnPage, ownCookie } from "./request/credentials.js";
import { jsonResponse } from "./answer/json-response.js";
import type { HttpContext, HttpMount } from "./request/mount.js";
import { jsonObjectOf } from "./request/json.js";
import { foreignPage } from "./request/same-site.js";

/** Tokens of the original have at most 512 characters. */
const longestToken = 1_024;

export const mountSession: HttpMount = (app, host) => {
  app.get("/session", async (context) => jsonResponse(await sessionView(host.clientOf(context))));
  app.post("/session", async (context) => {
    if (!isOwnPage(context.req.raw.headers)) throw foreignPage();
    const { token } = await jsonObjectOf(context, host.limits, "maxUnauthenticatedBytes");
    if (typeof token !== "string") throw new IscepError("usage", 'the body must be {"token": "…"}');
    if (token.length > longestToken) throw new IscepError("unauthorized");
    const view = await sessionView(context.env.peer.client(token));
    // When callers need no token, nothing is kept.
    if (view.open) return jsonResponse(view);
    const { sessions } = host;
    const cookie = sessions.begin(token, Date.now());
    return jsonResponse(view, 200, setCookie(context, cookie, Math.floor(sessions.lifetimeMs / 1_000)));
  });
  app.delete("/session", (context) => {
    if (!isOwnPage(context.req.raw.headers)) throw foreignPage();
    const cookie = ownCookie(context);
    if (cookie !== undefined) host.sessions.end(cookie);
    return new Response(null, { status: 204, headers: setCookie(context, "", 0) });
  });
};

/** Who calls, until when, and which scope lets them run which command. */
async function sessionView(client: Client): Promise<{ readonly open: boolean; readonly [fact: string]: unknown }> {
  const { owner, tokenId, expiresAtMs, scopes } = await client.whoAmI();
  const names = await client.list().then(
    (commands) => commands.map(({ name }) => name),
    (error: unknown) => {
      // Their token may not list commands.
      if (isIscepError(error) && error.code === "unauthorized") return undefined;
      throw error;
    },
  );
  const texts = scopes?.map(({ scope }) => scope);
  const why = (command: string): string =>
    texts === undefined ? "this server asks for no token" : scopesForRunning(command, texts).join(", ");
  return {
    owner,
    tokenId,
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
    // Callers need no token here.
    open: scopes === undefined,
    ...(scopes === undefined ? {} : { scopes: texts, rights: scopes }),
    ...(names === undefined ? {} : { commands: names.map((command) => ({ command, why: why(command) })) }),
  };
}

function setCookie(context: HttpContext, value: string, seconds: number): Record<string, string> {
  const secure = context.env.peer.tls ? "; Secure" : "";
  return {
    "set-cookie": `${cookieName(context)}=${value}; Max-Age=${seconds}; Path=/; HttpOnly; SameSite=Strict${secure}`,
  };
}
