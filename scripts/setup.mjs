/**
 * Prepares a fresh clone: it installs the dependencies and builds dist/. It needs only Node, because nothing is
 * installed yet. It installs only when the lock file or the Node major has changed since the last time. Building is
 * incremental.
 *
 * With `--record` it only notes that node_modules is up to date. npm's prepare step calls it so after an install by
 * hand.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const stampFile = path.join(root, "node_modules", ".iscep-setup");
const [nodeMajor = 0, nodeMinor = 0] = process.versions.node.split(".").map(Number);

/** @param {string} reason */
function stop(reason) {
  console.error(`setup: ${reason}`);
  process.exit(1);
}

function wantedStamp() {
  const lock = readFileSync(path.join(root, "package-lock.json"));
  return `${createHash("sha256").update(lock).digest("hex")} node ${nodeMajor} ${process.platform} ${process.arch}\n`;
}

function install() {
  // npm tells the scripts that it runs where it is. Without that (node scripts/setup.mjs), the npm on the PATH is used.
  const npmScript = process.env["npm_execpath"];
  const byName = npmScript === undefined || !npmScript.endsWith(".js");
  // NODE_ENV=production must not leave out packages, and install scripts of other packages must not run. dist/ is built
  // below.
  const args = ["ci", "--include=dev", "--ignore-scripts", "--loglevel=error", "--no-audit", "--no-fund"];
  const run = byName
    ? spawnSync("npm", args, { cwd: root, stdio: "inherit", shell: process.platform === "win32" })
    : spawnSync(process.execPath, [npmScript, ...args], { cwd: root, stdio: "inherit" });
  if (run.error) stop(`npm could not be started: ${run.error.message}`);
  if (run.status !== 0) stop(`npm ci failed (${run.signal ?? `exit code ${run.status}`}); the reason stands above.`);
}

if (nodeMajor < 20 || (nodeMajor === 20 && nodeMinor < 19)) {
  stop(`iscep needs Node 20.19 or newer; this is ${process.versions.node}.`);
}

if (process.argv.includes("--record")) {
  if (existsSync(path.dirname(stampFile))) writeFileSync(stampFile, wantedStamp());
} else {
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === wantedStamp()) {
    console.log("setup: dependencies are installed");
  } else {
    console.log("setup: installing dependencies (npm ci)");
    install();
    writeFileSync(stampFile, wantedStamp());
  }
  const startMs = performance.now();
  const { build } = await import("./build.mjs");
  if (!(await build())) stop("the build failed; the errors stand above.");
  console.log(`setup: built dist/ in ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
}
