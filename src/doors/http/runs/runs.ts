/** `/runs`: what runs and what ran, live events, output, and cancel. */
import { within } from "../../../waiting/within.js";
import type { Client } from "../../../client/client.js";
import { IscepError } from "../../../errors.js";
import { eventsResponse } from "./events.js";
import { jsonResponse } from "../answer/json-response.js";
import { refuseUnknownQuery } from "../request/known-query.js";
import { longestTimeoutMs, type HttpMount } from "../request/mount.js";
import type { OpenInputs } from "../input/open-inputs.js";
import { outcomeView } from "../answer/outcome-view.js";
import { outputResponse } from "./output.js";
import { preferencesOf } from "../request/preferences.js";
import { offsetOf, runsQueryOf } from "./query.js";

export const mountRuns: HttpMount = (app, host) => {
  app.get("/runs", async (context) => {
    const { runs, next } = await host.clientOf(context).runs(runsQueryOf(context));
    return jsonResponse({ runs, next: next ?? null });
  });
  app.get("/runs/:id", async (context) => {
    const { waitSeconds = 0 } = preferencesOf(context.req.header("prefer"));
    const id = context.req.param("id");
    if (waitSeconds > 0) await endOf(host.followerOf(context), id, waitSeconds * 1_000);
    return jsonResponse(await runView(host.clientOf(context), id, host.inputs));
  });
  app.delete("/runs/:id", async (context) => {
    await host.clientOf(context).cancel(context.req.param("id"));
    return new Response(null, { status: 204 });
  });
  app.get("/runs/:id/events", (context) => {
    const { req } = context;
    refuseUnknownQuery(context, ["offset"]);
    const offset = offsetOf(req.header("last-event-id") ?? req.query("offset"));
    const client = host.followerOf(context);
    const id = req.param("id");
    const handle = client.attach(id, { offset, timeoutMs: longestTimeoutMs });
    let leave = (): void => {};
    return eventsResponse(handle, {
      offset,
      heartbeatMs: host.limits.eventHeartbeatMs,
      isHead: req.method === "HEAD",
      // Who may not see the run does not keep it alive.
      begun: () => (leave = host.inputs.follow(id)),
      over: () => {
        leave();
        void client.close();
      },
    });
  });
  app.get("/runs/:id/output", (context) => outputResponse(context, host, context.req.param("id")));
};

/** What is known of one run, with its value or its error when it has ended. @throws IscepError `run_not_found` */
async function runView(client: Client, id: string, inputs: OpenInputs): Promise<object> {
  const [record] = (await client.runs({ run: id })).runs;
  if (record === undefined) throw new IscepError("run_not_found");
  if (record.status === "running") {
    const input = inputs.of(id)?.input;
    const isTheirs = input?.isOpen === true && (await client.whoAmI()).owner === record.owner;
    return isTheirs ? { ...record, input: { offset: input.offset } } : record;
  }
  const { outcome } = client.attach(id, { output: false, timeoutMs: longestTimeoutMs });
  return { ...record, ...outcomeView(await outcome) };
}

/** Waits for the end of a run, but not longer than this. */
async function endOf(follower: Client, id: string, waitMs: number): Promise<void> {
  await within(follower.attach(id, { output: false, timeoutMs: longestTimeoutMs }).outcome, waitMs);
  await follower.close();
}
