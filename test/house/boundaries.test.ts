import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

/**
 * The layers of src/, from the ground up: a folder with the files directly in it. The few files directly in src/ have no
 * folder, so each is a layer. A file imports from its own layer and from those above it in this list, never from one that
 * comes later.
 */
const layers = [
  "errors.ts",
  "version.ts",
  "limits",
  "text",
  "files",
  "waiting",
  "wire",
  "model",
  "metrics",
  "traces",
  "session",
  "identity",
  "transport",
  "nats",
  "nats/links",
  "nats/queue",
  "logs",
  "commands/arguments",
  "commands/script",
  "commands",
  "hooks",
  "configuration",
  "runs/streams",
  "runs/run",
  "runs/turns",
  "runs/script",
  "runs/thread",
  "runs",
  "notices",
  "journal",
  "dispatcher.ts",
  "schedule",
  "client/protocol",
  "client/version1",
  "client/version2",
  "client/cluster",
  "client",
  "doors",
  "doors/version1",
  "doors/version2",
  "doors/in-process",
  "doors/mcp",
  "doors/http/answer",
  "doors/http/input",
  "doors/http/request",
  "doors/http/runs",
  "doors/http/calls",
  "doors/http/description",
  "doors/http",
  "doors/nats/parts",
  "doors/nats/service",
  "doors/nats/queue",
  "doors/nats",
  "server",
  "index.ts",
  "cli/terminal",
  "cli/arguments",
  "cli/calling",
  "cli/serving",
  "cli/completion",
  "cli/verbs",
  "cli",
];

/** The rooms of console/src/, in the same order: from what knows nothing of the others up to the page itself. */
const rooms = ["output", "typing", "forms", "api", "words", "state", "parts", "views", "."];

const pureParts = ["wire", "session"];
const pureImports = ["node:crypto", "node:buffer", "node:zlib"];
const impureNames =
  /\b(?:setTimeout|setInterval|setImmediate|queueMicrotask|performance|process|fetch|console|require)\b|\bDate\b|\bimport\s*\(/g;

const sources = new Map(
  readdirSync("src", { recursive: true, encoding: "utf8" })
    .map((file) => file.split(path.sep).join("/"))
    .filter((file) => file.endsWith(".ts"))
    .map((file) => [file, readFileSync(path.join("src", file), "utf8")]),
);

const consoleSources = new Map(
  readdirSync("console/src", { recursive: true, encoding: "utf8" })
    .filter((file) => /\.tsx?$/.test(file))
    .map((file) => path.posix.join("console/src", file.split(path.sep).join("/")))
    .map((file) => [file, readFileSync(file, "utf8")]),
);

/** Blanks out comments, and what strings and templates say, so that only the code's own words are left. */
function codeOnly(text: string, keepStrings = false): string {
  const pattern = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[\s\S]|[^`\\])*`/g;
  return text.replace(pattern, (found) => (found.startsWith("/") ? " " : keepStrings ? found : '""'));
}

function importsOf(file: string, text: string): Import[] {
  const statement = /\b(?:import|export)\s+(type\s)?(?:[\w*{}\s,$]+?\sfrom\s*)?"([^"]+)"|\bimport\(\s*"([^"]+)"\s*\)/g;
  return [...codeOnly(text, true).matchAll(statement)].map((match) => {
    const specifier = match[2] ?? match[3] ?? "";
    const relative = specifier.startsWith(".");
    const to = relative ? path.posix.join(path.posix.dirname(file), specifier).replace(/\.js$/, ".ts") : specifier;
    return { from: file, to, typeOnly: match[1] !== undefined };
  });
}

const imports = [...sources].flatMap(([file, text]) => importsOf(file, text));
const inside = imports.filter(({ to }) => sources.has(to));

function partOf(file: string): string {
  return file.split("/")[0] ?? file;
}

function layerOf(file: string): number {
  return layers.indexOf(layers.includes(file) ? file : path.posix.dirname(file));
}

function show({ from, to }: Import): string {
  return `${from} -> ${to}`;
}

describe("the house", () => {
  test("the reader of imports sees every kind of them", () => {
    const text = [
      'import a, { type B } from "./a.js";',
      'import type { C } from "../c.js";',
      'import "node:net";',
      'import {\n  D,\n  E,\n} from "./d.js";',
      'export * from "./e.js";',
      'export type { F } from "./f.js";',
      'const g = await import("./g.js");',
      '// import "./comment.js";',
      'const text = `import "./not.js"`;',
    ].join("\n");
    expect(importsOf("x/y.ts", text.replace(/const text.*/, ""))).toEqual([
      { from: "x/y.ts", to: "x/a.ts", typeOnly: false },
      { from: "x/y.ts", to: "c.ts", typeOnly: true },
      { from: "x/y.ts", to: "node:net", typeOnly: false },
      { from: "x/y.ts", to: "x/d.ts", typeOnly: false },
      { from: "x/y.ts", to: "x/e.ts", typeOnly: false },
      { from: "x/y.ts", to: "x/f.ts", typeOnly: true },
      { from: "x/y.ts", to: "x/g.ts", typeOnly: false },
    ]);
    expect(codeOnly(text)).not.toContain("not.js");
    expect(inside.length).toBeGreaterThan(20);
  });

  test("every file of src/ is in a layer, and every layer has a file", () => {
    expect([...sources.keys()].filter((file) => layerOf(file) === -1)).toEqual([]);
    const inUse = new Set([...sources.keys()].map((file) => layerOf(file)));
    expect(layers.filter((_, layer) => !inUse.has(layer))).toEqual([]);
  });

  test("a layer within a folder is a folder, so that no file of it has a place of its own", () => {
    expect(layers.filter((layer) => layer.includes("/") && layer.endsWith(".ts"))).toEqual([]);
  });

  test("every relative import leads to a file of src/", () => {
    const lost = imports.filter(({ to }) => !sources.has(to) && (to.endsWith(".ts") || to.startsWith(".")));
    expect(lost.map(show)).toEqual([]);
  });

  test("imports point downward only", () => {
    expect(inside.filter(({ from, to }) => layerOf(from) < layerOf(to)).map(show)).toEqual([]);
  });

  test("no import leads back to where it came from", () => {
    const done = new Set<string>();
    const cycles: string[] = [];
    const walk = (file: string, way: readonly string[]): void => {
      const start = way.indexOf(file);
      if (start !== -1) cycles.push([...way.slice(start), file].join(" -> "));
      if (start !== -1 || done.has(file)) return;
      for (const { from, to } of inside) if (from === file) walk(to, [...way, file]);
      done.add(file);
    };
    for (const file of sources.keys()) walk(file, []);
    expect(cycles).toEqual([]);
  });

  test("wire and session know nothing of Node but bytes", () => {
    const pure = [...sources].filter(([file]) => pureParts.includes(partOf(file)));
    expect(pure.length).toBeGreaterThan(3);
    const foreign = imports.filter(
      ({ from, to }) => pureParts.includes(partOf(from)) && !sources.has(to) && !pureImports.includes(to),
    );
    expect(foreign.map(show)).toEqual([]);
    const impure = pure.flatMap(([file, text]) =>
      [...codeOnly(text).matchAll(impureNames)].map(([name]) => `${file}: ${name}`),
    );
    expect(impure).toEqual([]);
  });

  test("the console, which runs in browsers, has nothing of src/ but what knows neither Node nor the server", () => {
    const shared = ["src/text/visible-text.ts"];
    const packages = ["preact", "preact/hooks", "@preact/signals", "eventsource-parser"];
    expect(consoleSources.size).toBeGreaterThan(20);
    const foreign = [...consoleSources]
      .flatMap(([file, text]) => importsOf(file, text))
      .filter(({ to }) => !to.startsWith("console/src/") && !shared.includes(to) && !packages.includes(to));
    expect(foreign.map(show)).toEqual([]);
    const text = sources.get("text/visible-text.ts") ?? "";
    expect([...importsOf("text/visible-text.ts", text), ...codeOnly(text).matchAll(impureNames)]).toEqual([]);
    const back = imports.filter(({ to }) => to.includes("console/src/"));
    expect(back.map(show)).toEqual([]);
  });

  test("every file of the console is in a room, and its imports point downward only", () => {
    const roomOf = (file: string): number =>
      rooms.indexOf(path.posix.dirname(path.posix.relative("console/src", file)));
    expect([...consoleSources.keys()].filter((file) => roomOf(file) === -1)).toEqual([]);
    expect(new Set([...consoleSources.keys()].map((file) => roomOf(file))).size).toBe(rooms.length);
    const within = [...consoleSources]
      .flatMap(([file, text]) => importsOf(file, text))
      .filter(({ to }) => to.startsWith("console/src/"));
    expect(within.length).toBeGreaterThan(20);
    expect(within.filter(({ from, to }) => roomOf(from) < roomOf(to)).map(show)).toEqual([]);
  });

  test("nothing is called Manager, Helper or Util", () => {
    const vague = /manager|helper|utils?(?![a-z])/i;
    const declared = /\b(?:class|interface|type|function)\s+(\w*(?:Manager|Helper|Util)\w*)/g;
    const files = [...sources.keys()].filter((file) => vague.test(file));
    const names = [...sources].flatMap(([file, text]) =>
      [...codeOnly(text).matchAll(declared)].map((match) => `${file}: ${match[1]}`),
    );
    expect([...files, ...names]).toEqual([]);
  });
});
