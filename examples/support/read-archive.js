// @ts-check
import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";

/**
 * The files in a .tar.gz, by name.
 * @param {string} path
 */
export async function readArchive(path) {
  const bytes = gunzipSync(await readFile(path));
  /** @type {Map<string, Buffer>} */
  const files = new Map();
  for (let at = 0; bytes[at] !== 0 && at < bytes.length;) {
    const text = (/** @type {number} */ start, /** @type {number} */ length) =>
      bytes.toString("latin1", at + start, at + start + length).replace(/\0[^]*$/, "");
    const size = Number.parseInt(text(124, 12), 8);
    if (text(156, 1) === "0") files.set(text(0, 100), bytes.subarray(at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}
