/**
 * The tables of docs/DEPENDENCIES.md: versions and licences come from package.json, the lock file and what is installed, sizes
 * from the files themselves; only the reasons are written here. A dependency without a reason, and a reason without its
 * dependency, are faults.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";

const root = path.dirname(import.meta.dirname);

/** Why we depend on each package, and do not write it ourselves or do without. @type {Readonly<Record<string, string>>} */
const reasons = {
  "@nats-io/jetstream": "durable calls and schedules over NATS: streams of JetStream; loaded when they are used",
  "@nats-io/kv": "durable calls and schedules over NATS: claims, each of which only one instance gets",
  "@nats-io/transport-node": "speaks to a broker of NATS; loaded when a server or client uses one",
  "@peculiar/x509":
    "makes the server's own certificate (EC P-256) on the first start; Node reads certificates, but cannot make one",
  "@standard-schema/spec": "the types by which any schema library can describe arguments; types only, no code",
  ajv: "checks the values of scripts (output: json) against their JSON Schema (draft 2020-12)",
  "ajv-formats": "the formats of JSON Schema (date, email, uuid …), for arguments and for ajv",
  commander: "the command line: verbs, options, help",
  croner: "the next time of a cron expression in a time zone, through changes of daylight saving",
  jiti: "loads modules of commands that are written in TypeScript, on a Node that does not strip types",
  "reflect-metadata": "@peculiar/x509 uses tsyringe, which needs it loaded first",
  yaml: "reads iscep.yaml with line and column for each fault, and refuses a key that stands twice",
  "@arethetypeswrong/cli": "checks that the types of the package resolve for those who import it",
  "@types/node": "types of Node, of the oldest release that we support",
  "@vitest/coverage-v8": "shows which lines the tests reach",
  arktype: "tests: one of three schema libraries that arguments may be described with",
  "fast-check": "tests: properties that hold for all inputs, with a seed that repeats a failure",
  knip: "finds unused files, exports and dependencies",
  oxlint: "lint",
  "oxlint-tsgolint": "the rules of oxlint that need types: promises that nobody awaits",
  prettier: "lays out the code, so that nobody talks about it",
  publint: "checks package.json against what is in the package",
  typescript: "the compiler",
  valibot: "tests: one of three schema libraries that arguments may be described with",
  vitest: "runs the tests",
  "@hono/node-server": "joins hono to Node's own HTTP server: requests and answers as the web's standards have them",
  "@modelcontextprotocol/server": "speaks MCP to models' clients, in both revisions; loaded when that door opens",
  hono: "routes of the HTTP door; loaded when that door opens",
  "@modelcontextprotocol/client": "tests: the other side of the MCP door",
  "@opentelemetry/api": "tests: traces, which a user switches on by installing it",
  "@preact/signals": "the state of the console in the browser, which is built into one file",
  "@redocly/cli": "tests: checks what /openapi.json says, with the next one",
  "@seriousme/openapi-schema-validator": "tests: checks what /openapi.json says against the standard's own schemas",
  "axe-core": "tests: finds what keeps the console from readers with a screen reader or a keyboard",
  "eventsource-parser": "reads server-sent events, in the console and in tests",
  "openapi-fetch": "tests: a client made from /openapi.json",
  "playwright-core": "tests: drives a real browser",
  preact: "the console in the browser, built into one file",
  vite: "builds the console",
  zod: "tests: one of three schema libraries; tests read JSON with it as well",
};

/**
 * @typedef {{ version: string, license?: string, dev?: boolean, optional?: boolean, dependencies?: Record<string, string>,
 *   peerDependencies?: Record<string, string>, peerDependenciesMeta?: Record<string, { optional?: boolean }> }} Locked
 */

/** @param {string} file @returns {unknown} */
function readJson(file) {
  return JSON.parse(readFileSync(path.join(root, file), "utf8"));
}

const { dependencies: runtime, devDependencies: development } =
  /** @type {{ dependencies: Record<string, string>, devDependencies: Record<string, string> }} */ (
    readJson("package.json")
  );
const { packages: locked } = /** @type {{ packages: Record<string, Locked> }} */ (readJson("package-lock.json"));

/** The bytes of a package as it lies on the disk, without packages that lie inside it. @param {string} place */
function sizeBytes(place) {
  let total = 0;
  for (const entry of readdirSync(path.join(root, place), { withFileTypes: true })) {
    const inside = `${place}/${entry.name}`;
    if (entry.isDirectory()) total += entry.name === "node_modules" ? 0 : sizeBytes(inside);
    else total += statSync(path.join(root, inside)).size;
  }
  return total;
}

/** @param {number} bytes */
function readableSize(bytes) {
  return `${Math.ceil(bytes / 1024).toLocaleString("en-US")} KiB`;
}

/** The licence in the installed package and the one in the lock file must be the same. @param {string} place */
function licenceOf(place) {
  const { license } = /** @type {{ license?: string }} */ (readJson(`${place}/package.json`));
  const recorded = locked[place]?.license;
  if (license === undefined || license !== recorded)
    throw new Error(`${place} says the licence ${String(license)}, and the lock file ${String(recorded)}`);
  return license;
}

/** Where Node finds a package from within another: the nearest node_modules that has it. @param {string} from @param {string} name */
function placeOf(from, name) {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf("/node_modules/")))) {
    const place = at === "" ? `node_modules/${name}` : `${at}/node_modules/${name}`;
    if (locked[place]) return place;
    if (at === "") throw new Error(`the lock file has no ${name}, which ${from} needs`);
  }
}

/** All that a package brings, without what only some platforms get. @param {string} place @param {Set<string>} found */
function broughtBy(place, found = new Set()) {
  const { dependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} } = locked[place] ?? {};
  const peers = Object.keys(peerDependencies).filter((name) => peerDependenciesMeta[name]?.optional !== true);
  for (const name of [...Object.keys(dependencies), ...peers]) {
    const brought = placeOf(place, name);
    if (found.has(brought)) continue;
    found.add(brought);
    broughtBy(brought, found);
  }
  return found;
}

/** @param {Readonly<Record<string, string>>} wanted */
function direct(wanted) {
  const rows = Object.entries(wanted).map(([name, version]) => {
    const place = `node_modules/${name}`;
    if (locked[place]?.version !== version)
      throw new Error(`${name} is not pinned: package.json says ${version}, the lock file ${locked[place]?.version}`);
    const reason = reasons[name];
    if (reason === undefined) throw new Error(`scripts/dependencies.mjs has no reason for ${name}`);
    const brings = broughtBy(place).size;
    return [`\`${name}\``, version, licenceOf(place), readableSize(sizeBytes(place)), String(brings), reason];
  });
  return [["package", "version", "licence", "size", "brings", "reason"], ...rows];
}

export function runtimeDependencies() {
  const unused = Object.keys(reasons).filter((name) => !(name in runtime) && !(name in development));
  if (unused.length > 0) throw new Error(`scripts/dependencies.mjs has reasons for what is gone: ${unused.join()}`);
  return direct(runtime);
}

export function developmentDependencies() {
  return direct(development);
}

/** What the runtime dependencies bring, each once, with those that brought it. */
export function broughtDependencies() {
  /** @type {Map<string, string[]>} */
  const bringers = new Map();
  for (const name of Object.keys(runtime)) {
    for (const place of broughtBy(`node_modules/${name}`)) {
      if (place.lastIndexOf("node_modules/") === 0 && place.slice("node_modules/".length) in runtime) continue;
      bringers.set(place, [...(bringers.get(place) ?? []), `\`${name}\``]);
    }
  }
  const rows = [...bringers].toSorted(([one], [other]) => (one < other ? -1 : 1));
  return [
    ["package", "version", "licence", "size", "by"],
    ...rows.map(([place, by]) => [
      `\`${place.slice(place.lastIndexOf("node_modules/") + "node_modules/".length)}\``,
      String(locked[place]?.version),
      licenceOf(place),
      readableSize(sizeBytes(place)),
      by.join(", "),
    ]),
  ];
}

/** Every licence in the lock file, with those that only development or some platforms get. */
export function licences() {
  /** @type {Map<string, { runtime: number, development: number }>} */
  const counts = new Map();
  for (const [place, { license = "(none)", dev = false }] of Object.entries(locked)) {
    if (place === "") continue;
    const count = counts.get(license) ?? { runtime: 0, development: 0 };
    count[dev ? "development" : "runtime"]++;
    counts.set(license, count);
  }
  const rows = [...counts].toSorted(([one], [other]) => (one < other ? -1 : 1));
  return [
    ["licence", "packages at runtime", "packages for development"],
    ...rows.map(([licence, count]) => [licence, String(count.runtime), String(count.development)]),
  ];
}
