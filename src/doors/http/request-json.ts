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
  const bytes = await bodyOf(req.raw, limits.maxPacketBytes, req.header("content-length"));
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

/** @throws IscepError `too_large`, before more than the limit is held */
async function bodyOf(request: Request, maxBytes: number, contentLength: string | undefined): Promise<Buffer> {
  const tooLarge = (): IscepError =>
    new IscepError("too_large", `the body may have ${maxBytes} bytes (limit max_packet_bytes)`);
  if (contentLength !== undefined) {
    if (Number(contentLength) > maxBytes) throw tooLarge();
    // The parser of Node takes exactly this many bytes.
    return Buffer.from(await request.arrayBuffer());
  }
  if (request.body === null) return Buffer.alloc(0);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}
