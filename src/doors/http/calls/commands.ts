/** `/commands`: what the caller may run, and calls. */
import { IscepError } from "../../../errors.js";
import { answerCall } from "./call.js";
import { jsonResponse } from "../answer/json-response.js";
import type { HttpMount } from "../request/mount.js";
import { answerTypedCall } from "./typed-call.js";

export const mountCommands: HttpMount = (app, host) => {
  app.get("/commands", async (context) => jsonResponse({ commands: await host.clientOf(context).list() }));
  app.get("/commands/:name", async (context) => {
    const commands = await host.clientOf(context).list();
    const found = commands.find(({ name }) => name === context.req.param("name"));
    if (found === undefined) throw new IscepError("command_not_found");
    return jsonResponse(found);
  });
  app.post("/commands/:name", (context) => {
    const answer = context.req.query("stdin") === undefined ? answerCall : answerTypedCall;
    return answer(context, host, context.req.param("name"));
  });
};
