import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import os from "node:os";
import { describe, expect, test } from "vitest";
import { z } from "zod";

/** Written with a class of one letter, so that this file does not contain what it looks for. */
const forbidden: readonly [what: string, pattern: RegExp][] = [
  ["a path of the machine that it was written on", /(?<![\w.-])\/[w]ork\/|\/[r]oot\/|\/[h]ome\/\w/],
  ["the host of a package registry", /\b[r]egistry\.[\w-]+\.\w{2,}/],
];

function trackedFiles(): string[] {
  return execFileSync("git", ["ls-files", "-z"], { encoding: "utf8" }).split("\0").filter(Boolean);
}

/** What may not be named because it is this machine's: its checkout, its home folder, its registry. */
function namesOfThisMachine(): string[] {
  const registry = execFileSync("npm", ["config", "get", "registry"], {
    encoding: "utf8",
    shell: os.platform() === "win32",
  });
  const { hostname } = new URL(registry.trim());
  const everywhere = ["localhost", "127.0.0.1", "[::1]"];
  return [process.cwd(), os.homedir(), hostname].filter((name) => name.length > 5 && !everywhere.includes(name));
}

describe("what the repository does not say", () => {
  const files = trackedFiles().flatMap((file): { file: string; text: string }[] => {
    try {
      return [{ file, text: readFileSync(file, "utf8") }];
    } catch {
      return []; // removed in the working tree, not yet in the index
    }
  });

  test.each(forbidden)("%s", (_what, pattern) => {
    expect(files.filter(({ text }) => pattern.test(text)).map(({ file }) => file)).toEqual([]);
  });

  test("a name of the machine that the test runs on", () => {
    const names = namesOfThisMachine();
    expect(files.filter(({ text }) => names.some((name) => text.includes(name))).map(({ file }) => file)).toEqual([]);
  });

  test("an address in the lock file, where every package has a checksum instead", () => {
    const lockFile = z.object({
      packages: z.record(
        z.string(),
        z.object({ resolved: z.string().optional(), integrity: z.string().optional(), link: z.boolean().optional() }),
      ),
    });
    const { packages } = lockFile.parse(JSON.parse(readFileSync("package-lock.json", "utf8")));
    const installed = Object.entries(packages).filter(
      ([place, entry]) => place.includes("node_modules/") && !entry.link,
    );
    expect(installed.length).toBeGreaterThan(100);
    expect(installed.filter(([, entry]) => entry.resolved !== undefined || entry.integrity === undefined)).toEqual([]);
  });
});
