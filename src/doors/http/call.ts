/** Answers `POST /commands/NAME`: with the outcome, with the address of the run, or with the run live. */
import type { RunHandle } from "../../client/protocol/run-handle.js";
import type { RunOptions } from "../../client/protocol/options.js";
import type { Outcome } from "../../model/outcome.js";
import { eventsResponse } from "./events.js";
import type { HttpContext, HttpHost } from "./mount.js";
import { outcomeView } from "./outcome-view.js";
import { acceptsEvents, preferencesOf } from "./preferences.js";
import { problem } from "./problem.js";
import { jsonObjectOf } from "./request-json.js";

export async function answerCall(context: HttpContext, host: HttpHost, name: string): Promise<Response> {
  const { req } = context;
  const client = host.clientOf(context);
  const args = await jsonObjectOf(context, host.limits);
  const { respondAsync, waitSeconds } = preferencesOf(req.header("prefer"));
  const isLive = acceptsEvents(req.header("accept"));
  const isAsync = !isLive && (respondAsync || waitSeconds !== undefined);
  const idempotencyKey = req.header("idempotency-key");
  const options: RunOptions = {
    ...(isAsync ? { detach: true } : {}),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  };
  const handle: RunHandle = client.run(name, args, options);
  if (isLive) return eventsResponse(handle, { offset: 0, heartbeatMs: host.limits.eventHeartbeatMs });
  const waitMs = isAsync ? (waitSeconds ?? 0) * 1_000 : Number.POSITIVE_INFINITY;
  const outcome = await within(handle, waitMs);
  if (outcome !== undefined) return outcomeResponse(outcome, await handle.id.catch(() => undefined));
  const run = await handle.id;
  return context.json({ run, status: "running" }, 202, {
    location: `/runs/${run}`,
    "retry-after": "1",
    "preference-applied": "respond-async",
  });
}

export function outcomeResponse(outcome: Outcome, run: string | undefined): Response {
  if (outcome.status === "completed") {
    return Response.json({ ...(run === undefined ? {} : { run }), ...outcomeView(outcome) });
  }
  return problem(outcome.error, { run, ...(outcome.status === "rejected" ? {} : { outcome }) });
}

/** The outcome; undefined when it did not come in time. A call that is refused has its outcome before it has an id. */
async function within({ id, outcome }: RunHandle, waitMs: number): Promise<Outcome | undefined> {
  if (waitMs === Number.POSITIVE_INFINITY) return outcome;
  await id.catch(() => undefined);
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), Math.min(waitMs, 2 ** 31 - 1));
  });
  try {
    return await Promise.race([outcome, over]);
  } finally {
    clearTimeout(timer);
  }
}
