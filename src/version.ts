import { createRequire } from "node:module";

/** The version in package.json, which is beside dist/ in the package. */
export const packageVersion: string = readVersion();

function readVersion(): string {
  const manifest: unknown = createRequire(import.meta.url)("../package.json");
  if (typeof manifest === "object" && manifest !== null && "version" in manifest) return String(manifest.version);
  return "unknown";
}
