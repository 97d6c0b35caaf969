/** Reads the body of a request, within a limit, as one JSON value. */
import { IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import { isJsonObject, parseJson, type JsonObject } from "../../wire/json.js";
import type { HttpContext } from "./mount.js";
import { httpFault } from "./problem.js";

/**
 * No body is an empty object.
 * @throws IscepError `too_large`, `protocol` for what is no JSON, `invalid_arguments` for JSON that is no object
 */
export async function jsonObjectOf({ req }: HttpContext, limits: Limits): Promise<JsonObject> {
  const type = mediaType(req.header("content-type"));
  const bytes = await bodyOf(req.raw, limits, req.header("content-length"));
  if (bytes.length === 0) return {};
  if (type !== "application/json" && !type.endsWith("+json")) {
    throw httpFault(415, "usage", "the body must be JSON; send it with `Content-Type: application/json`");
  }
  const value = parseJson(bytes, limits);
  if (isJsonObject(value)) return value;
  throw new IscepError("invalid_arguments", "the body must be one JSON object: the arguments by their names");
}

export function mediaType(header: string | undefined): string {
  return (header ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

/** @throws IscepError `too_large`, before more than the limit is held, and `timeout` */
async function bodyOf(request: Request, limits: Limits, contentLength: string | undefined): Promise<Buffer> {
  const { maxPacketBytes, packetTimeoutMs, packetTimeoutPer64KiBMs } = limits;
  const length = contentLength === undefined ? undefined : Number(contentLength);
  if (length === 0 || (length === undefined && request.body === null)) return Buffer.alloc(0);
  if (length !== undefined && length > maxPacketBytes) throw tooLarge(limits);
  const allowedMs = packetTimeoutMs + Math.floor((length ?? maxPacketBytes) / 65_536) * packetTimeoutPer64KiBMs;
  // The parser of Node takes exactly as many bytes as the request has said.
  const whole =
    length === undefined ? readChunks(request, limits) : request.arrayBuffer().then((bytes) => Buffer.from(bytes));
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(httpFault(408, "timeout", `the body was not whole within ${allowedMs} ms`)),
      allowedMs,
    );
  });
  try {
    return await Promise.race([whole, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function readChunks(request: Request, limits: Limits): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of (request.body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > limits.maxPacketBytes) throw tooLarge(limits);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

function tooLarge({ maxPacketBytes }: Limits): IscepError {
  return new IscepError("too_large", `the body may have ${maxPacketBytes} bytes (limit max_packet_bytes)`);
}
