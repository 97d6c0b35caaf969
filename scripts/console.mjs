/**
 * Builds the console into dist/console/, when its sources have changed since the last time. What it was built from is
 * kept as a hash beside it.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const source = path.join(root, "console");
const output = path.join(root, "dist/console");
const stampFile = path.join(root, "dist/.console");

function stampOf() {
  const files = readdirSync(source, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
  const hash = createHash("sha256");
  // The lock file has the versions of what is built in.
  const others = [
    fileURLToPath(import.meta.url),
    path.join(root, "package-lock.json"),
    path.join(root, "src/text/visible-text.ts"),
  ];
  for (const file of [...files.toSorted(), ...others])
    hash.update(`${path.relative(root, file)}\0`).update(readFileSync(file));
  return hash.digest("hex");
}

export async function buildConsole() {
  const stamp = stampOf();
  const isThere = existsSync(path.join(output, "index.html"));
  if (isThere && existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp) return;
  const { build } = await import("vite");
  await build({
    configFile: false,
    root: source,
    base: "/console/",
    mode: "production",
    logLevel: "warn",
    envDir: false,
    build: {
      outDir: output,
      emptyOutDir: true,
      target: "es2022",
      // These know light-dark() and nesting, so no older forms of the colours are written beside them.
      cssTarget: ["chrome123", "firefox121", "safari17.5"],
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
    },
  });
  writeFileSync(stampFile, stamp);
}
