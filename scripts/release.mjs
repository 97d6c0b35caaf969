/**
 * `npm run release`: checks that HEAD can be released, packs it, and tags it. It never pushes and never publishes; it says
 * how. What it makes lies in release/: the tarball, its bill of materials, and the SHA-256 of both.
 *
 * The tarball is packed twice, each time in a fresh clone of HEAD with dependencies from the lock file, and the bytes must
 * be the same: with the tag, everybody can make the tarball again and compare.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";

const root = process.cwd();

/** npm tells its scripts about the package that it runs for; an npm in a clone must not believe it. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^npm_(?:package|lifecycle|command)|^INIT_CWD$/.test(name)),
);

class NotReady extends Error {}

/**
 * @param {string} folder @param {string} program @param {readonly string[]} args
 * @param {{ shows?: boolean }} [options] `shows`: what it prints is for the person as well
 */
function run(folder, program, args, { shows = false } = {}) {
  const ended = spawnSync(program, args, {
    cwd: folder,
    env: environment,
    encoding: "utf8",
    maxBuffer: 256 * 1024 * 1024,
    shell: process.platform === "win32" && program === "npm",
  });
  if (shows) process.stdout.write(`${ended.stdout}${ended.stderr}`);
  if (ended.error) throw new NotReady(`${program} could not be started: ${ended.error.message}`);
  if (ended.status === 0) return ended.stdout;
  const said = shows ? "" : `:\n${ended.stdout}${ended.stderr}`;
  throw new NotReady(`${program} ${args.join(" ")} exited ${String(ended.status)}${said}`);
}

/** @param {string} message */
function step(message) {
  console.log(`release: ${message}`);
}

function readPackage() {
  return /** @type {{ name: string, version: string, repository?: unknown }} */ (readJson("package.json"));
}

/** @param {string} file @returns {unknown} */
function readJson(file) {
  return JSON.parse(readFileSync(path.join(root, file), "utf8"));
}

function checkTree() {
  const changed = run(root, "git", ["status", "--porcelain"]);
  if (changed !== "") throw new NotReady(`the working tree is not clean; commit or remove:\n${changed.trimEnd()}`);
}

/** @param {string} version */
function checkVersion(version) {
  if (!/^(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-[0-9A-Za-z.-]+)?$/.test(version))
    throw new NotReady(`package.json has the version ${version}, which is none of Semantic Versioning`);
  const lock = /** @type {{ version?: string, packages?: Record<string, { version?: string }> }} */ (
    readJson("package-lock.json")
  );
  for (const said of [lock.version, lock.packages?.[""]?.version])
    if (said !== version)
      throw new NotReady(`package-lock.json says ${String(said)}, package.json ${version}; run: npm install`);
  const tags = run(root, "git", ["tag", "--list", `v${version}`]);
  if (tags.trim() !== "")
    throw new NotReady(`the tag v${version} is there already; give package.json the next version`);
}

/** The part of CHANGELOG.md about this version, which must be dated and say something. @param {string} version */
function changesOf(version) {
  const text = readFileSync(path.join(root, "CHANGELOG.md"), "utf8");
  const sections = text.split(/^## /m).slice(1);
  const section = sections.find((one) => one.startsWith(`[${version}]`));
  if (section === undefined || !/^\[[^\]]+\] - \d{4}-\d{2}-\d{2}\n/.test(section))
    throw new NotReady(`CHANGELOG.md has no heading "## [${version}] - YYYY-MM-DD"; name the unreleased part so`);
  const unreleased = sections.find((one) => one.startsWith("[Unreleased]"));
  if (unreleased !== undefined && /^- /m.test(unreleased))
    throw new NotReady("CHANGELOG.md has changes under [Unreleased]; they belong to this version, or wait on a branch");
  const changes = section.slice(section.indexOf("\n")).trim();
  if (!/^- /m.test(changes)) throw new NotReady(`CHANGELOG.md says nothing about ${version}`);
  return changes;
}

/** A test run without a result, or in which no test passed, does not count. */
function checkTests() {
  step("runs npm test, which takes minutes and prints when it is over");
  const lines = run(root, "npm", ["test"], { shows: true }).trimEnd().split("\n");
  const closing = /^(\d+) passed, (\d+) failed, (\d+) skipped$/.exec(lines.at(-1) ?? "");
  if (closing === null || closing[1] === "0" || closing[2] !== "0")
    throw new NotReady(`the tests end with "${String(lines.at(-1))}", and not with "N passed, 0 failed, N skipped"`);
  checkTree(); // tests that leave files behind would be in the way later
}

/** @param {string} folder */
function cloneHead(folder) {
  run(root, "git", ["clone", "--quiet", "--no-hardlinks", root, folder]);
  run(folder, "git", ["checkout", "--quiet", "--detach", run(root, "git", ["rev-parse", "HEAD"]).trim()]);
  return folder;
}

/** @param {string} clone @param {string} destination */
function pack(clone, destination) {
  mkdirSync(destination, { recursive: true });
  run(clone, "npm", ["pack", "--loglevel=error", "--pack-destination", destination]);
  const [tarball = ""] = readdirSync(destination);
  return readFileSync(path.join(destination, tarball));
}

/** A UUID of version 8 (RFC 9562, section 5.8), whose bits are those of a hash. @param {string} digits in hexadecimal */
function uuidOf(digits) {
  const variant = "89ab".charAt(Number.parseInt(digits.charAt(16), 16) % 4);
  const groups = [digits.slice(0, 8), digits.slice(8, 12), `8${digits.slice(13, 16)}`, variant + digits.slice(17, 20)];
  return [...groups, digits.slice(20, 32)].join("-");
}

/**
 * What npm says of the runtime packages, of all platforms, without what differs each time: the number is made of the tarball, the time is the
 * commit's, and the name is the package's, where npm gives the folder's.
 * @param {string} clone @param {{ name: string, version: string }} about @param {string} tarballSha256 in hexadecimal
 */
function billOfMaterials(clone, { name, version }, tarballSha256) {
  // `npm sbom --omit dev` also omits what a package for development uses as well; so those leave package.json and the lock file.
  run(clone, "npm", ["pkg", "delete", "devDependencies"]);
  run(clone, "npm", [
    "install",
    "--package-lock-only",
    "--ignore-scripts",
    "--prefer-offline",
    "--no-audit",
    "--no-fund",
  ]);
  const said = run(clone, "npm", ["sbom", "--package-lock-only", "--sbom-format", "cyclonedx"]);
  const bill = /** @type {{ metadata: { component: object } }} */ (JSON.parse(said));
  const timestamp = new Date(Number(run(clone, "git", ["log", "-1", "--format=%ct"])) * 1000).toISOString();
  const hashes = [{ alg: "SHA-256", content: tarballSha256 }];
  Object.assign(bill, { serialNumber: `urn:uuid:${uuidOf(tarballSha256)}` });
  Object.assign(bill.metadata, { timestamp, component: { ...bill.metadata.component, name, version, hashes } });
  return `${JSON.stringify(bill, undefined, 2)}\n`;
}

/** @param {string | Buffer} bytes */
function sha256(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}

function release() {
  const about = readPackage();
  const { name, version } = about;
  const base = `${name.replace(/^@/, "").replace("/", "-")}-${version}`;
  checkTree();
  checkVersion(version);
  const changes = changesOf(version);
  checkTests();

  const temporary = mkdtempSync(path.join(os.tmpdir(), "iscep-release-"));
  try {
    step("packs twice, each in a fresh clone of HEAD");
    const clone = cloneHead(path.join(temporary, "one"));
    const other = cloneHead(path.join(temporary, "other"));
    run(clone, "npm", ["ci", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"]);
    const tarball = pack(clone, path.join(temporary, "packed-one"));
    // The packages are the same ones by their checksums; what is built from them is built anew.
    const installed = path.join(clone, "node_modules");
    if (existsSync(installed)) renameSync(installed, path.join(other, "node_modules"));
    const again = pack(other, path.join(temporary, "packed-other"));
    if (!tarball.equals(again))
      throw new NotReady(`the two tarballs differ: SHA-256 ${sha256(tarball)} and ${sha256(again)}`);
    const bill = billOfMaterials(clone, about, sha256(tarball));

    const folder = path.join(root, "release");
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    writeFileSync(path.join(folder, `${base}.tgz`), tarball);
    writeFileSync(path.join(folder, `${base}.cdx.json`), bill);
    const sums = `${sha256(tarball)}  ${base}.tgz\n${sha256(bill)}  ${base}.cdx.json\n`;
    writeFileSync(path.join(folder, "SHA256SUMS"), sums);
    // A signature follows from the person's own settings of git (tag.gpgSign).
    run(root, "git", [
      "tag",
      "--annotate",
      "--cleanup=verbatim",
      "--message",
      `${name} ${version}\n\n${changes}\n`,
      `v${version}`,
    ]);
    step(`tagged v${version}; release/ has\n${sums}`);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  step("nothing was pushed or published. When you are sure:");
  console.log(`  git push origin v${version}`);
  console.log(`  npm publish release/${base}.tgz --provenance --access public`);
  if (about.repository === undefined)
    console.log(
      "  (--provenance needs the address of the repository in package.json, and a build service that npm trusts)",
    );
}

try {
  release();
} catch (error) {
  if (!(error instanceof NotReady)) throw error;
  console.error(`release: ${error.message}`);
  process.exitCode = 1;
}
