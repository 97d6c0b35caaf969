/** Reads the body of a request as one JSON object. */
import { IscepError, isIscepError } from "../../../errors.js";
import type { Limits } from "../../../limits/limits.js";
import { isJsonObject, parseJson, type JsonObject } from "../../../wire/json.js";
import type { HttpContext } from "./mount.js";
import { httpFault } from "../answer/problem.js";
import { mediaType, wholeBody } from "./body.js";

/**
 * No body is an empty object.
 * @throws IscepError `too_large`, `timeout`, `protocol` for what is no JSON, `invalid_arguments` for JSON that is no
 *   object
 */
export async function jsonObjectOf(
  { req }: HttpContext,
  limits: Limits,
  limit?: Parameters<typeof wholeBody>[3],
): Promise<JsonObject> {
  const type = mediaType(req.header("content-type"));
  const bytes = await wholeBody(req.raw, limits, req.header("content-length"), limit);
  if (bytes.length === 0) return {};
  if (type !== "application/json" && !type.endsWith("+json")) {
    throw httpFault(415, "usage", "the body must be JSON; send it with `Content-Type: application/json`");
  }
  return jsonObject(bytes, limits, "the body");
}

/** @throws IscepError `protocol`, `invalid_arguments` */
export function jsonObject(bytes: Buffer, limits: Limits, what: string): JsonObject {
  const value = jsonIn(bytes, limits, what);
  if (isJsonObject(value)) return value;
  throw new IscepError("invalid_arguments", `${what} must be one JSON object: the arguments by their names`);
}

function jsonIn(bytes: Buffer, limits: Limits, what: string): unknown {
  try {
    return parseJson(bytes, limits);
  } catch (error) {
    if (isIscepError(error) && error.code === "protocol") throw httpFault(400, "protocol", `${what}: ${error.message}`);
    throw error;
  }
}
