/** Finds where `iscep serve` keeps its runs: each set of files and tokens has its own folder. */
import { createHash } from "node:crypto";
import { accessSync, constants, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { textOfThrown } from "../../errors.js";
import { defaultStateFolder } from "../../identity/certificates.js";
import type { ServeSettings } from "./sources.js";
import { surroundings } from "../terminal/surroundings.js";

/**
 * undefined, with a warning, when nothing can be written and nobody asked for a folder. Runs are then only in memory.
 */
export async function runsFolderOf(
  files: readonly string[],
  settings: ServeSettings,
  warn: (message: string) => Promise<void>,
): Promise<string | undefined> {
  const tokens = typeof settings.tokens === "string" ? resolve(settings.tokens) : null;
  const served = JSON.stringify([files.map((file) => resolve(file)), tokens]);
  const name = createHash("sha256").update(served).digest("hex").slice(0, 16);
  const folder = join(settings.stateFolder ?? defaultStateFolder(surroundings().env), "runs", name);
  if (settings.stateFolder !== undefined) return folder;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    // On a full disk a folder can be made, and nothing be written to it.
    const probe = join(folder, `probe-${process.pid}`);
    try {
      writeFileSync(probe, Buffer.alloc(4096), { mode: 0o600 });
    } finally {
      rmSync(probe, { force: true });
    }
    return folder;
  } catch (error) {
    await warn(`runs are kept in memory only, and do not outlive this server: ${textOfThrown(error)}`);
    return undefined;
  }
}
