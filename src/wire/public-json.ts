/**
 * JSON as iscep reads and writes it, for programs that use the library. A door reads its callers' bytes by the same
 * rules.
 */
import { defaultLimits } from "../limits/limits.js";
import * as json from "./json.js";

/**
 * Reads a JSON text. `limits` are `maxJsonDepth` (default 64) and `maxJsonKeys` (default 10,000).
 * @throws IscepError `protocol` for bytes that are not UTF-8 or not JSON, that nest too deep or have too many keys, or
 *   that hold a number which JavaScript would change: an integer beyond 2^53 - 1, or one that is too large for a double.
 *   The message never quotes the text.
 */
export function parseJson(
  bytes: Uint8Array,
  limits: Partial<Pick<json.JsonLimits, "maxJsonDepth" | "maxJsonKeys">> = {},
): unknown {
  return json.parseJson(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), { ...defaultLimits, ...limits });
}

/**
 * The JSON text of a value, `undefined` for `undefined`. `limits` are `maxJsonDepth` (default 64), `maxJsonKeys` (default
 * 10,000) and `maxJsonItems` (default 1,000,000: elements of all arrays).
 * @throws IscepError `invalid_arguments` for a value that JSON cannot hold without changing it, such as NaN, a function or
 *   a Map, or that is beyond a limit. The message says where.
 */
export function encodeJson(value: unknown, limits: Partial<json.JsonLimits> = {}): string | undefined {
  return json.encodeJson(value, { ...defaultLimits, ...limits });
}
