/** `npm run release`, up to the point where a person publishes. Clones only: neither this checkout nor anything outside changes. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { run, tryRun } from "../support/package-programs.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const root = process.cwd();
const script = path.join(root, "scripts/release.mjs");
const temporary = temporaryFolder();

function git(folder: string, ...args: string[]): string {
  return run(folder, "git", "-c", "user.name=Test", "-c", "user.email=test@example.invalid", ...args);
}

function commitAll(folder: string): void {
  git(folder, "config", "user.name", "Test");
  git(folder, "config", "user.email", "test@example.invalid");
  git(folder, "add", "--all");
  git(folder, "commit", "--quiet", "--allow-empty", "--message", "Changed by the test");
}

const closingLine = "3 passed, 0 failed, 1 skipped";

/** A package of one file, so that what stops a release is tested without the minutes of ours. */
function smallPackage(name: string, { tests = closingLine, version = "1.2.3", changes = "" } = {}): string {
  const folder = path.join(temporary, name);
  mkdirSync(folder);
  const about = { name: "small", version, license: "MIT", scripts: { test: `echo "${tests}"` } };
  writeFileSync(path.join(folder, "package.json"), JSON.stringify(about));
  writeFileSync(path.join(folder, "index.js"), "");
  writeFileSync(path.join(folder, ".gitignore"), "release/\n");
  writeFileSync(
    path.join(folder, "CHANGELOG.md"),
    changes || `# Changelog\n\n## [${version}] - 2026-01-31\n\n- A change\n`,
  );
  run(folder, "npm", "install", "--package-lock-only", "--no-audit", "--loglevel=error");
  git(folder, "init", "--quiet");
  commitAll(folder);
  return folder;
}

const release = (folder: string): ReturnType<typeof tryRun> => tryRun(folder, process.execPath, script);

describe("a release is refused, and nothing is tagged or packed,", () => {
  test.each<[why: string, folder: () => string, said: RegExp]>([
    [
      "when the tree is not clean",
      () => {
        const folder = smallPackage("unclean");
        writeFileSync(path.join(folder, "left.js"), "");
        return folder;
      },
      /not clean[\s\S]*left\.js/,
    ],
    [
      "when the version is none",
      () => {
        const folder = smallPackage("no-version");
        const file = path.join(folder, "package.json");
        writeFileSync(file, readFileSync(file, "utf8").replace("1.2.3", "1.2"));
        commitAll(folder);
        return folder;
      },
      /1\.2, which is none of Semantic Versioning/,
    ],
    [
      "when the lock file has another version",
      () => {
        const folder = smallPackage("other-lock");
        const file = path.join(folder, "package.json");
        writeFileSync(file, readFileSync(file, "utf8").replace("1.2.3", "1.2.4"));
        commitAll(folder);
        return folder;
      },
      /package-lock\.json says 1\.2\.3, package\.json 1\.2\.4/,
    ],
    [
      "when the changelog does not name the version",
      () => smallPackage("unnamed", { changes: "## [Unreleased]\n\n- A change\n" }),
      /no heading "## \[1\.2\.3\] - YYYY-MM-DD"/,
    ],
    [
      "when the changelog says nothing about it",
      () => smallPackage("silent", { changes: "## [1.2.3] - 2026-01-31\n\nNothing.\n" }),
      /says nothing about 1\.2\.3/,
    ],
    [
      "when changes are still called unreleased",
      () => smallPackage("both", { changes: "## [Unreleased]\n\n- B\n\n## [1.2.3] - 2026-01-31\n\n- A\n" }),
      /has changes under \[Unreleased\]/,
    ],
    ["when a test fails", () => smallPackage("failing", { tests: "3 passed, 1 failed, 0 skipped" }), /1 failed/],
    ["when no test ran", () => smallPackage("no-test", { tests: "0 passed, 0 failed, 0 skipped" }), /0 passed/],
    ["when the tests do not say how they ended", () => smallPackage("mute", { tests: "done" }), /end with "done"/],
  ])("%s", (_why, folderOf, said) => {
    const folder = folderOf();
    const refused = release(folder);
    expect(refused.stderr).toMatch(said);
    expect(refused.status).toBe(1);
    expect(git(folder, "tag", "--list")).toBe("");
    expect(readdirSync(folder)).not.toContain("release");
  });

  test("when the tag is there already", () => {
    const folder = smallPackage("tagged");
    git(folder, "tag", "v1.2.3");
    const refused = release(folder);
    expect(refused.stderr).toContain("the tag v1.2.3 is there already");
    expect(refused.status).toBe(1);
  });

  test("when two packs of one commit differ", () => {
    const folder = smallPackage("differing");
    const file = path.join(folder, "package.json");
    const prepack = `node -e 'fs.writeFileSync("index.js", String(process.hrtime.bigint()))'`;
    const about = z
      .looseObject({ scripts: z.record(z.string(), z.string()) })
      .parse(JSON.parse(readFileSync(file, "utf8")));
    writeFileSync(file, JSON.stringify({ ...about, scripts: { ...about.scripts, prepack } }));
    commitAll(folder);
    const refused = release(folder);
    expect(refused.stderr).toContain("the two tarballs differ");
    expect(refused.status).toBe(1);
    expect(git(folder, "tag", "--list")).toBe("");
  });
});

describe("a release of what HEAD holds", () => {
  const clone = path.join(temporary, "iscep");
  const { version } = z.object({ version: z.string() }).parse(JSON.parse(readFileSync("package.json", "utf8")));
  const base = `iscep-${version}`;
  let said: ReturnType<typeof tryRun>;
  const made = (file: string): Buffer => readFileSync(path.join(clone, "release", file));
  const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

  beforeAll(() => {
    run(temporary, "git", "clone", "--quiet", "--no-hardlinks", root, clone);
    // The tests run elsewhere; here they only say that they did.
    const file = path.join(clone, "package.json");
    writeFileSync(file, readFileSync(file, "utf8").replace(/"test": ".*"/, `"test": "echo '${closingLine}'"`));
    const changelog = path.join(clone, "CHANGELOG.md");
    const dated = readFileSync(changelog, "utf8").replace(/^## \[Unreleased\].*$/m, `## [${version}] - 2026-01-31`);
    writeFileSync(changelog, dated);
    commitAll(clone);
    git(clone, "remote", "set-url", "origin", path.join(temporary, "nowhere"));
    said = release(clone);
  });

  test("is packed to the same bytes twice, tagged, and left for a person to publish", () => {
    expect(said.stderr).toBe("");
    expect(said.status).toBe(0);
    expect(readdirSync(path.join(clone, "release"))).toEqual(["SHA256SUMS", `${base}.cdx.json`, `${base}.tgz`]);
    expect(git(clone, "cat-file", "-t", `v${version}`).trim()).toBe("tag");
    expect(git(clone, "rev-parse", `v${version}^{commit}`)).toBe(git(clone, "rev-parse", "HEAD"));
    expect(said.stdout).toContain(`npm publish release/${base}.tgz --provenance`);
    const sums = `${sha256(made(`${base}.tgz`))}  ${base}.tgz\n${sha256(made(`${base}.cdx.json`))}  ${base}.cdx.json\n`;
    expect(made("SHA256SUMS").toString()).toBe(sums);
  });

  test("has a bill of materials with every package that comes with it, and of the tarball beside it", () => {
    const component = z.looseObject({ name: z.string(), version: z.string() });
    const bill = z
      .object({
        bomFormat: z.literal("CycloneDX"),
        serialNumber: z
          .string()
          .regex(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
        metadata: z.object({ component: component.extend({ hashes: z.array(z.object({ content: z.string() })) }) }),
        components: z.array(
          component.extend({ licenses: z.array(z.unknown()).min(1), hashes: z.array(z.unknown()).min(1) }),
        ),
      })
      .parse(JSON.parse(made(`${base}.cdx.json`).toString()));
    const { name, hashes } = bill.metadata.component;
    expect([name, hashes[0]?.content]).toEqual(["iscep", sha256(made(`${base}.tgz`))]);
    const { dependencies } = z
      .object({ dependencies: z.record(z.string(), z.string()) })
      .parse(JSON.parse(readFileSync("package.json", "utf8")));
    const listed = bill.components.map((one) => `${one.name}@${one.version}`);
    expect(listed).toEqual(expect.arrayContaining(Object.entries(dependencies).map((one) => one.join("@"))));
    expect(listed.filter((one) => /^(?:vitest|typescript)@/.test(one))).toEqual([]);
  });

  test("holds the commit, whatever lies beside it in the checkout", () => {
    const listed = execFileSync("tar", ["-tzf", path.join(clone, "release", `${base}.tgz`)], { encoding: "utf8" });
    expect(listed).toContain("package/dist/cli/main.js\n");
    expect(listed).not.toContain("package/release/");
  });
});
