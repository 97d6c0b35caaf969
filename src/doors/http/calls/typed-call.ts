/**
 * Answers `POST /commands/NAME?stdin=open`: a call whose standard input stays open. Later requests bring it
 * (`POST /runs/ID/stdin`), over any connection, so the run goes on without this one.
 */
import { within } from "../../../waiting/within.js";
import type { RunOptions } from "../../../client/protocol/options.js";
import type { RunHandle } from "../../../client/protocol/run-handle.js";
import { IscepError } from "../../../errors.js";
import type { JsonObject } from "../../../wire/json.js";
import { answerCall, keyOf, startedResponse } from "./call.js";
import { eventsResponse } from "../runs/events.js";
import { refuseUnknownQuery } from "../request/known-query.js";
import { longestTimeoutMs, type HttpContext, type HttpHost } from "../request/mount.js";
import { outcomeResponse } from "../answer/outcome-answer.js";
import { acceptsEvents, preferencesOf } from "../request/preferences.js";
import { httpFault } from "../answer/problem.js";
import { jsonObjectOf } from "../request/json.js";
import { sizeOf } from "../runs/typing.js";
import { wholeNumber } from "../runs/query.js";
import { TypedInput } from "../input/typed-input.js";

export async function answerTypedCall(context: HttpContext, host: HttpHost, name: string): Promise<Response> {
  const { req } = context;
  const client = host.clientOf(context);
  const isLive = acceptsEvents(req.header("accept"));
  const { respondAsync, waitSeconds } = preferencesOf(req.header("prefer"));
  if (!isLive && !respondAsync && waitSeconds === undefined) throw noAddress();
  const terminal = terminalOf(context);
  const key = req.header("idempotency-key");
  const idempotencyKey = key === undefined ? undefined : keyOf(key);
  const args = await jsonObjectOf(context, host.limits);
  const options = {
    ...(terminal === undefined ? {} : { terminal }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  };
  const begin = (): Promise<Begun> => began(context, host, name, args, { isLive, ...options });
  const begun =
    idempotencyKey === undefined
      ? await begin()
      : await host.inputs.inTurn(idempotencyKey, async () => {
          // A call that joins a run has no input of its own, and must not take the place of the one that is open.
          const [earlier] = (await client.runs({ idempotencyKey })).runs;
          return earlier === undefined ? begin() : { joined: earlier.run };
        });
  if ("joined" in begun) {
    const follow = isLive ? { over: host.inputs.follow(begun.joined) } : {};
    return answerCall(context, host, name, { args, ...follow });
  }
  const { run, handle } = begun;
  if (run === undefined) return outcomeResponse(await handle.outcome, undefined);
  if (isLive) return liveResponse(context, host, run);
  const outcome = await within(handle.outcome, (waitSeconds ?? 0) * 1_000);
  return outcome === undefined ? startedResponse(run) : outcomeResponse(outcome, run);
}

function noAddress(): IscepError {
  const how = "`Prefer: respond-async`, or `Accept: text/event-stream`";
  return httpFault(
    400,
    "usage",
    `with \`stdin=open\` the answer must tell the run before it ends; ask for it by ${how}`,
  );
}

/** @throws IscepError `usage` */
function terminalOf(context: HttpContext): RunOptions["terminal"] {
  const { req } = context;
  refuseUnknownQuery(context, ["stdin", "columns", "rows", "term"], "arguments stand in the body, as one JSON object");
  if (req.query("stdin") !== "open") throw new IscepError("usage", "stdin must be open");
  const columns = req.query("columns");
  const rows = req.query("rows");
  const term = req.query("term");
  if (columns === undefined && rows === undefined && term === undefined) return undefined;
  if (columns === undefined || rows === undefined)
    throw new IscepError("usage", "a terminal has both columns and rows");
  const size = sizeOf({ columns: wholeNumber(columns, "columns"), rows: wholeNumber(rows, "rows") });
  return { ...size, ...(term === undefined ? {} : { term }) };
}

interface Begun {
  /** undefined when the call was refused, or its run has ended and nothing is kept of it. */
  readonly run: string | undefined;
  readonly handle: RunHandle;
}

async function began(
  context: HttpContext,
  host: HttpHost,
  name: string,
  args: JsonObject,
  { isLive, ...options }: Pick<RunOptions, "terminal" | "idempotencyKey"> & { readonly isLive: boolean },
): Promise<Begun> {
  const { limits } = host;
  const traceparent = context.req.header("traceparent");
  const caller = await host.clientOf(context).whoAmI();
  const client = host.lastingClientOf(context);
  const input = new TypedInput(limits);
  const handle = client.run(name, args, {
    // The command has a timeout of its own.
    timeoutMs: longestTimeoutMs,
    output: false,
    detach: true,
    stdin: input,
    ...(traceparent === undefined ? {} : { traceparent }),
    ...options,
  });
  const run = await handle.id.catch(() => undefined);
  if (run === undefined) await client.close();
  else {
    const graceMs = isLive ? limits.callerGraceMs : undefined;
    host.inputs.add(run, { caller, input, handle, graceMs, close: () => client.close() });
  }
  return { run, handle };
}

async function liveResponse(context: HttpContext, host: HttpHost, run: string): Promise<Response> {
  const follower = host.followerOf(context);
  const leave = host.inputs.follow(run);
  return eventsResponse(follower.attach(run, { timeoutMs: longestTimeoutMs }), {
    offset: 0,
    heartbeatMs: host.limits.eventHeartbeatMs,
    over: () => {
      leave();
      void follower.close();
    },
  });
}
