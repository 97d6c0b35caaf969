/** `GET /runs/ID/output`: the bytes that a run has printed. */
import type { OutputChunk } from "../../../client/protocol/run-output.js";
import { IscepError } from "../../../errors.js";
import { refuseUnknownQuery } from "../request/known-query.js";
import { longestTimeoutMs, type HttpContext, type HttpHost } from "../request/mount.js";
import { problem, httpFault } from "../answer/problem.js";
import { offsetOf } from "./query.js";

const headers = {
  "content-type": "application/octet-stream",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "content-security-policy": "sandbox; default-src 'none'",
};

/**
 * The output that is there now; with `follow`, all until the run ends. Range counts the bytes of both channels, as
 * offsets do everywhere. The bytes of one channel have no offsets of their own, so they come as a whole.
 */
export async function outputResponse(context: HttpContext, host: HttpHost, id: string): Promise<Response> {
  const { req } = context;
  const client = host.clientOf(context);
  refuseUnknownQuery(context, ["offset", "channel", "follow"]);
  const channel = channelOf(req.query("channel"));
  const follow = req.query("follow");
  const isFollowing = follow !== undefined && follow !== "false";
  const [record] = (await client.runs({ run: id })).runs;
  if (record === undefined) throw new IscepError("run_not_found");
  const end = record.outputBytes;
  const begin = offsetOf(req.query("offset"));
  if (isFollowing || channel !== undefined) {
    const until = isFollowing ? Number.POSITIVE_INFINITY : end;
    return bytesResponse(context, host, id, { begin, end: until, channel }, 200, { "accept-ranges": "none" });
  }
  const range = rangeOf(req.header("range"), begin, end);
  if (range === "beyond") {
    const fault = httpFault(416, "invalid_arguments", `the output has ${end} bytes so far`);
    return problem(fault, { run: id, headers: { "content-range": `bytes */${end}` } });
  }
  const wanted = range ?? { begin, end };
  const more = {
    "accept-ranges": "bytes",
    "content-length": String(Math.max(0, wanted.end - wanted.begin)),
    ...(range === undefined ? {} : { "content-range": `bytes ${range.begin}-${range.end - 1}/${end}` }),
  };
  return bytesResponse(context, host, id, { ...wanted, channel }, range === undefined ? 200 : 206, more);
}

interface Wanted {
  readonly begin: number;
  readonly end: number;
  readonly channel: OutputChunk["channel"] | undefined;
}

/** @throws IscepError `output_gone` when its beginning is no longer kept, `invalid_arguments` beyond its end */
async function bytesResponse(
  context: HttpContext,
  host: HttpHost,
  id: string,
  wanted: Wanted,
  status: number,
  more: Record<string, string>,
): Promise<Response> {
  const init = { status, headers: { ...headers, ...more } };
  if (wanted.begin >= wanted.end || context.req.method === "HEAD") return new Response(null, init);
  const follower = host.followerOf(context);
  const handle = follower.attach(id, { offset: wanted.begin, timeoutMs: longestTimeoutMs });
  const stream = bytesStream(
    handle.output,
    wanted,
    () => void follower.close(),
    (reason) => context.env.peer.cut(reason),
  );
  await handle.id.catch(async (error: unknown) => {
    // The run is there. Its output may not be.
    const outcome = await handle.outcome;
    await follower.close();
    throw "error" in outcome ? outcome.error : error;
  });
  return new Response(stream, init);
}

/** A chunk is read when the reader asks for one, so a slow reader holds the run, and no memory. */
function bytesStream(
  output: AsyncIterable<OutputChunk>,
  { end, channel }: Wanted,
  over: () => void,
  cut: (reason: string) => void,
): ReadableStream<Uint8Array> {
  const chunks = output[Symbol.asyncIterator]();
  // A run is not held for output that nobody has begun to read.
  let first: Promise<IteratorResult<OutputChunk>> | undefined = chunks.next();
  first.catch(() => {});
  // The status was sent long ago. Only a cut tells a reader that the rest is missing.
  const broken = (): undefined => {
    cut("the rest of the output could not be read");
    return undefined;
  };
  const stop = async (): Promise<void> => {
    await chunks.return?.();
    over();
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        for (;;) {
          const next = await (first ?? chunks.next()).catch(broken);
          first = undefined;
          if (next === undefined) return controller.close();
          const chunk = next.done === true ? undefined : next.value;
          const rest = end - (chunk?.offset ?? end);
          const isLast = chunk === undefined || chunk.bytes.length >= rest;
          const isWanted = chunk !== undefined && (channel === undefined || chunk.channel === channel);
          if (isWanted && rest > 0) controller.enqueue(isLast ? chunk.bytes.subarray(0, rest) : chunk.bytes);
          if (isLast) {
            controller.close();
            await stop();
          }
          if (isLast || isWanted) return;
        }
      },
      cancel: stop,
    },
    { highWaterMark: 0 },
  );
}

/** @throws IscepError `usage` */
function channelOf(text: string | undefined): OutputChunk["channel"] | undefined {
  if (text === undefined || text === "stdout" || text === "stderr") return text;
  throw new IscepError("usage", "channel must be stdout or stderr");
}

/** undefined: all of it, because there is no range, or one of a form that this server does not know (RFC 9110, 14.2). */
function rangeOf(
  header: string | undefined,
  begin: number,
  end: number,
): { begin: number; end: number } | "beyond" | undefined {
  const [, first = "", last = ""] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "") ?? [];
  if (header === undefined || begin > 0 || (first === "" && last === "")) return undefined;
  const from = first === "" ? Math.max(0, end - Number(last)) : Number(first);
  const to = first === "" || last === "" ? end : Math.min(end, Number(last) + 1);
  if (first !== "" && last !== "" && Number(last) < Number(first)) return undefined;
  return from >= to ? "beyond" : { begin: from, end: to };
}
