import { readFile } from "node:fs/promises";
import { IscepError } from "../../errors.js";
import { defaultLimits } from "../../limits/limits.js";
import { utf8Text } from "../../text/utf8.js";
import { surroundings } from "../terminal/surroundings.js";
import { isJsonObject, type JsonObject } from "../../wire/json.js";
import { json } from "./values.js";

/**
 * Reads the object that `--args` gives: JSON, `@FILE`, or `-` for standard input.
 * @throws IscepError `invalid_arguments`, `too_large`, `configuration`
 */
export async function readJsonSource(source: string, signal: AbortSignal): Promise<JsonObject> {
  const value = json("--args", await textOf(source, signal));
  if (isJsonObject(value)) return value;
  throw new IscepError("invalid_arguments", '--args must be a JSON object, like {"message":"hi"}');
}

async function textOf(source: string, signal: AbortSignal): Promise<string> {
  if (source === "-") return readStandardInput(signal);
  if (!source.startsWith("@")) return source;
  let bytes: Buffer;
  try {
    bytes = await readFile(source.slice(1));
  } catch (error) {
    throw new IscepError("configuration", `the file of --args ${source} cannot be read`, { cause: error });
  }
  return utf8Text(bytes, `the file of --args ${source}`);
}

/** Reads to the end. @throws IscepError `too_large`, and `invalid_arguments` for text that is not UTF-8 */
export async function readStandardInput(signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const { maxPacketBytes } = defaultLimits;
  const { stdin } = surroundings();
  const stopReading = (): void => void stdin.destroy(signal.reason instanceof Error ? signal.reason : undefined);
  signal.addEventListener("abort", stopReading, { once: true });
  try {
    for await (const chunk of stdin) {
      const part = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
      bytes += part.length;
      if (bytes > maxPacketBytes)
        throw new IscepError("too_large", `standard input has more than ${maxPacketBytes} bytes`);
      chunks.push(part);
    }
  } finally {
    signal.removeEventListener("abort", stopReading);
  }
  return utf8Text(Buffer.concat(chunks), "standard input");
}
