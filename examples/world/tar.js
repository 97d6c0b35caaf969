// @ts-check
/** Makes a tar archive (POSIX ustar) of files and folders, for machines without the tar program. */
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

const blockBytes = 512;

/**
 * @param {string} base the folder that the names in the archive are relative to
 * @param {string} name
 */
export async function* tarOf(base, name) {
  yield* entriesOf(base, name);
  yield Buffer.alloc(2 * blockBytes);
}

/**
 * @param {string} base
 * @param {string} name
 * @returns {AsyncGenerator<Buffer>}
 */
async function* entriesOf(base, name) {
  const path = join(base, name);
  const stats = await stat(path);
  if (stats.isDirectory()) {
    yield header(`${name}/`, 0, stats.mtimeMs, "5");
    for (const member of (await readdir(path)).toSorted()) yield* entriesOf(base, `${name}/${member}`);
  } else if (stats.isFile()) {
    yield header(name, stats.size, stats.mtimeMs, "0");
    // A file that grows meanwhile must not overlap the next entry.
    if (stats.size > 0) yield* createReadStream(path, { end: stats.size - 1 });
    yield Buffer.alloc((blockBytes - (stats.size % blockBytes)) % blockBytes);
  }
}

/**
 * @param {string} name
 * @param {number} size
 * @param {number} mtimeMs
 * @param {string} type
 */
function header(name, size, mtimeMs, type) {
  if (Buffer.byteLength(name) > 100) throw new Error(`the path is too long for this archive: ${name}`);
  const block = Buffer.alloc(blockBytes);
  const octal = (/** @type {number} */ value, /** @type {number} */ digits) =>
    `${Math.floor(value).toString(8).padStart(digits, "0")}\0`;
  block.write(name, 0);
  block.write(octal(type === "5" ? 0o755 : 0o644, 7), 100);
  block.write(octal(0, 7) + octal(0, 7), 108);
  block.write(octal(size, 11) + octal(mtimeMs / 1000, 11), 124);
  // For the checksum, its own field counts as spaces.
  block.write(" ".repeat(8), 148);
  block.write(type, 156);
  block.write("ustar\u000000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}
