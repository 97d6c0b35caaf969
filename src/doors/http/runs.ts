/** `/runs`: what runs and what ran, live events, and cancel. */
import { IscepError } from "../../errors.js";
import { runStatuses, type RunRecord } from "../../model/run-record.js";
import type { Client } from "../../client/client.js";
import { eventsResponse } from "./events.js";
import type { HttpContext, HttpMount } from "./mount.js";
import { outcomeView } from "./outcome-view.js";

export const mountRuns: HttpMount = (app, host) => {
  app.get("/runs", async (context) => {
    const { runs, next } = await host.clientOf(context).runs(queryOf(context));
    return context.json({ runs, next: next ?? null });
  });
  app.get("/runs/:id", async (context) => context.json(await runView(host.clientOf(context), context.req.param("id"))));
  app.delete("/runs/:id", async (context) => {
    await host.clientOf(context).cancel(context.req.param("id"));
    return context.body(null, 204);
  });
  app.get("/runs/:id/events", (context) => {
    const { req } = context;
    const offset = offsetOf(req.header("last-event-id") ?? req.query("offset"));
    const handle = host.clientOf(context).attach(req.param("id"), { offset });
    return eventsResponse(handle, { offset, heartbeatMs: host.limits.eventHeartbeatMs });
  });
};

/** What is known of one run, with its value or its error when it has ended. @throws IscepError `run_not_found` */
async function runView(client: Client, id: string): Promise<object> {
  const { runs } = await client.runs({ run: id });
  const [record] = runs;
  if (record === undefined) throw new IscepError("run_not_found");
  if (record.status === "running") return record;
  const handle = client.attach(id, { offset: record.outputBytes });
  return { ...record, ...outcomeView(await handle.outcome) };
}

/** @throws IscepError `usage` for what is no offset */
export function offsetOf(text: string | undefined): number {
  if (text === undefined || text === "") return 0;
  const offset = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(offset)) return offset;
  throw new IscepError("usage", "an offset must be a whole number of bytes, from 0");
}

type RunsQuery = NonNullable<Parameters<Client["runs"]>[0]>;

/** @throws IscepError `usage` for a filter that there is not, or that cannot be read */
function queryOf({ req }: HttpContext): RunsQuery {
  const { command, status, owner, since, limit, cursor, all, ...unknown } = req.query();
  const [stranger] = Object.keys(unknown);
  if (stranger !== undefined) {
    throw new IscepError(
      "usage",
      `there is no filter ${JSON.stringify(stranger.slice(0, 64))}; there are command, status, owner, since, limit, cursor and all`,
    );
  }
  return {
    ...(command === undefined ? {} : { command }),
    ...(status === undefined ? {} : { status: statusOf(status) }),
    ...(owner === undefined ? {} : { owner }),
    ...(since === undefined ? {} : { sinceMs: timeOf(since) }),
    ...(limit === undefined ? {} : { limit: offsetOf(limit) }),
    ...(cursor === undefined ? {} : { after: cursor }),
    ...(all === undefined ? {} : { all: all !== "false" }),
  };
}

function statusOf(text: string): RunRecord["status"] {
  const status = runStatuses.find((known) => known === text);
  if (status !== undefined) return status;
  throw new IscepError("usage", `status must be one of ${runStatuses.join(", ")}`);
}

function timeOf(text: string): number {
  const timeMs = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isSafeInteger(timeMs)) return timeMs;
  throw new IscepError("usage", "since must be a time such as 2026-11-28T12:00:00Z, or Unix time in milliseconds");
}
