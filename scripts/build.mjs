/**
 * Builds src/ and console/ into dist/. The compiler never deletes, so outputs of source files that were renamed or
 * removed are deleted first. dist/ is what is packed and what the tests load.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { bundleCommandLine } from "./command-line.mjs";
import { buildConsole } from "./console.mjs";

const root = path.dirname(import.meta.dirname);
const source = path.join(root, "src");
const dist = path.join(root, "dist");

/** @param {string} folder */
function filesIn(folder) {
  return existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : [];
}

function sweep() {
  for (const file of filesIn(dist)) {
    const output = /^(.*?)(?:\.d\.ts|\.js)(?:\.map)?$/.exec(file);
    if (file.startsWith("console") || output?.[1] === undefined || existsSync(path.join(source, `${output[1]}.ts`)))
      continue;
    rmSync(path.join(dist, file));
  }
}

/** The compiler trusts its record of what it wrote. So an output that was deleted would not come back. */
function forgetRecordIfIncomplete() {
  const complete = filesIn(source)
    .filter((file) => file.endsWith(".ts"))
    .every((file) => existsSync(path.join(dist, file.replace(/\.ts$/, ".js"))));
  if (!complete) rmSync(path.join(dist, ".tsbuildinfo"), { force: true });
}

/** @returns {Promise<boolean>} whether everything compiled */
export async function build() {
  sweep();
  forgetRecordIfIncomplete();
  const compiler = path.join(
    path.dirname(createRequire(import.meta.url).resolve("typescript/package.json")),
    "bin/tsc",
  );
  const run = spawnSync(process.execPath, [compiler, "-b", path.join(root, "tsconfig.json")], { stdio: "inherit" });
  if (run.error) console.error(`The compiler could not be started: ${run.error.message}`);
  // npm makes this file executable when it installs the package. In a checkout it is run as it is.
  if (run.status !== 0) return false;
  chmodSync(path.join(dist, "cli/main.js"), 0o755);
  await inProduction(async () => {
    await bundleCommandLine();
    await buildConsole();
  });
  return true;
}

/**
 * Vite takes NODE_ENV for the kind of build. What is built must not depend on who builds it.
 * @param {() => Promise<void>} step
 */
async function inProduction(step) {
  const before = process.env["NODE_ENV"];
  process.env["NODE_ENV"] = "production";
  try {
    await step();
  } finally {
    if (before === undefined) delete process.env["NODE_ENV"];
    else process.env["NODE_ENV"] = before;
  }
}

if (process.argv[1] === import.meta.filename && !(await build())) process.exitCode = 1;
