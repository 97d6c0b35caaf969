/** What a caller sends with a call: its arguments, and the standard input of the run. */
import { IscepError } from "../../../errors.js";
import type { Limits } from "../../../limits/limits.js";
import type { JsonObject } from "../../../wire/json.js";
import { refuseUnknownQuery } from "../request/known-query.js";
import type { HttpContext } from "../request/mount.js";
import { boundaryOf, partsOf, type Part } from "../request/multipart.js";
import { httpFault } from "../answer/problem.js";
import { bodyStream, gathered, inTime, mediaType } from "../request/body.js";
import { jsonObject, jsonObjectOf } from "../request/json.js";

export interface CallInput {
  readonly args: JsonObject;
  /** Read as fast as the run reads. */
  readonly stdin?: AsyncIterable<Uint8Array>;
}

/** @throws IscepError for a body that cannot be read */
export async function callInputOf(context: HttpContext, limits: Limits): Promise<CallInput> {
  const { req } = context;
  const contentType = req.header("content-type");
  const type = mediaType(contentType);
  const isInput = type === "application/octet-stream";
  refuseUnknownQuery(context, isInput ? ["args"] : [], isInput ? inputHint : argsHint);
  if (isInput) {
    const args = req.query("args");
    return {
      args: args === undefined ? {} : jsonObject(Buffer.from(args), limits, "args"),
      stdin: bodyStream(req.raw),
    };
  }
  if (type !== "multipart/form-data") return { args: await jsonObjectOf(context, limits) };
  const parts = partsOf(bodyStream(req.raw), boundaryOf(contentType ?? ""));
  return inTime(fromParts(parts, limits), limits);
}

const argsHint = "arguments stand in the body, as one JSON object";
const inputHint = "arguments stand in `args`, as one JSON object";

async function fromParts(parts: AsyncGenerator<Part, void, void>, limits: Limits): Promise<CallInput> {
  let args: JsonObject | undefined;
  for (;;) {
    const { done, value: part } = await parts.next();
    if (done === true) return { args: args ?? {} };
    if (part.name === "args" && args === undefined) {
      args = jsonObject(await gathered(part.body, limits), limits, "args");
    } else if (part.name === "stdin") {
      return { args: args ?? {}, stdin: lastPart(part, parts) };
    } else {
      throw httpFault(400, "usage", "the parts of a call are `args`, as JSON, and behind it `stdin`");
    }
  }
}

/** Fails unless the body ends behind this part, because the run must not take a part of its input for the whole. */
async function* lastPart(part: Part, parts: AsyncGenerator<Part, void, void>): AsyncGenerator<Uint8Array, void, void> {
  for await (const chunk of part.body) yield chunk;
  if ((await parts.next()).done === true) return;
  throw new IscepError("usage", "`stdin` must be the last part of a call");
}
