/** `/mcp`: the commands as tools for assistants. What it needs is loaded with the first request. */
import { tokenOf } from "./request/credentials.js";
import type { McpHttp } from "../mcp/http.js";
import type { HttpMount } from "./request/mount.js";
import { jsonObjectOf } from "./request/json.js";

export const mountMcp: HttpMount = (app, host) => {
  const load = async (): Promise<McpHttp> => {
    const http = await import("../mcp/http.js");
    return new http.McpHttp(host.server);
  };
  let loaded: Promise<McpHttp> | undefined;
  app.all("/mcp", async (context) => {
    // The session of a browser is for the console. No page may reach tools with it.
    const isOfProgram = context.req.header("authorization") !== undefined;
    const token = isOfProgram ? tokenOf(context, host.sessions) : undefined;
    const client = context.env.peer.client(token);
    const body = context.req.method === "POST" ? await jsonObjectOf(context, host.limits) : undefined;
    const mcp = await (loaded ??= load());
    return mcp.answer(context.req.raw, body, { client, token });
  });
};
