#!/usr/bin/env node
// @ts-check
/**
 * backup.js WORLD LIMIT: archives worlds/WORLD into backups/. It reads at most LIMIT MiB a second, and prints the path
 * of the archive. Any program would do. It uses only one feature of iscep: it tells on standard error how far it is.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as pause } from "node:timers/promises";
import { createGzip } from "node:zlib";
import { tarOf } from "./tar.js";

const [world = "", limitMiB = "100"] = process.argv.slice(2);
if (!existsSync(`worlds/${world}/level.json`)) {
  console.error(`there is no world ${world}`);
  process.exit(2);
}
await mkdir("backups", { recursive: true });
const archive = `backups/${world}-${new Date().toISOString().replaceAll(/[:.]/g, "-")}.tar.gz`;
// An archive gets its name only when it is complete.
const unfinished = `${archive}.part`;
// At its timeout, a run gets SIGTERM, and SIGKILL some seconds later.
const stop = new AbortController();
process.once("SIGTERM", () => stop.abort());
try {
  const source = atMost(Number(limitMiB) * 1024 * 1024, told(await sizeOf(world), archiveOf(world)));
  const target = createWriteStream(unfinished, { flags: "wx", flush: true });
  await pipeline(source, createGzip(), target, { signal: stop.signal });
  await rename(unfinished, archive);
} catch (error) {
  await rm(unfinished, { force: true });
  throw error;
}
console.log(archive);

/** Uses the system's tar, or our own if there is none. @param {string} name */
async function* archiveOf(name) {
  const tar = spawn("tar", ["-cf", "-", "-C", "worlds", name], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    await once(tar, "spawn");
  } catch {
    yield* tarOf("worlds", name);
    return;
  }
  const closed = once(tar, "close");
  yield* tar.stdout;
  const [code] = /** @type {[number | null]} */ (await closed);
  if (code !== 0) throw new Error(`tar ended with ${code}`);
}

/**
 * @param {number} bytesPerSecond
 * @param {AsyncIterable<Buffer>} source
 */
async function* atMost(bytesPerSecond, source) {
  const startedMs = performance.now();
  let bytes = 0;
  for await (const chunk of source) {
    yield chunk;
    bytes += chunk.length;
    const aheadMs = (bytes / bytesPerSecond) * 1000 - (performance.now() - startedMs);
    if (aheadMs > 0) await pause(aheadMs);
  }
}

/**
 * Prints a line for each percent. The archive has headers in addition to the files, so it reaches 100% a little early.
 * @param {number} totalBytes
 * @param {AsyncIterable<Buffer>} source
 */
async function* told(totalBytes, source) {
  let bytes = 0;
  let lastPercent = -1;
  for await (const chunk of source) {
    bytes += chunk.length;
    const percent = Math.min(100, Math.floor((100 * bytes) / totalBytes));
    if (percent > lastPercent) console.error(`::progress ${percent}% archiving ${world}`);
    lastPercent = percent;
    yield chunk;
  }
}

/** @param {string} name */
async function sizeOf(name) {
  const entries = await readdir(join("worlds", name), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(file.parentPath, file.name))).size));
  return sizes.reduce((sum, size) => sum + size, 1);
}
