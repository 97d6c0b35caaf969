/** docs/CONFIGURATION.md, iscep.schema.json and what reads the file say the same. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { Ajv } from "ajv";
import fc from "fast-check";
import { isMap, isPair, parse, parseDocument, visit, type Document } from "yaml";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ScriptDefinition } from "iscep";
import { argumentKeys } from "#iscep/configuration/arguments";
import {
  type configurationKeys,
  configurationSchema,
  loadConfiguration,
  type Configuration,
} from "#iscep/configuration/configuration";
import { limitKeys } from "#iscep/configuration/limits";
import { keysOfArgument } from "#iscep/commands/arguments/declaration-table";
import type { scriptKeys } from "#iscep/configuration/script";
import { starterFiles } from "#iscep/cli/serving/starter-files";
import { rounds } from "../support/rounds.js";

type FieldOf<Keys extends Record<string, { readonly field: string }>> = Keys[keyof Keys]["field"];
type Expect<Truth extends true> = Truth;

/** What can be said in TypeScript can be said in the file; these do not compile when a key is forgotten. */
export type Checks = [
  Expect<
    Exclude<keyof Configuration, FieldOf<typeof configurationKeys> | "places" | "texts"> extends never ? true : false
  >,
  Expect<
    Exclude<keyof ScriptDefinition<string, undefined>, FieldOf<typeof scriptKeys> | "name"> extends never ? true : false
  >,
];

const document = readFileSync("docs/CONFIGURATION.md", "utf8");
const examples = [...document.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, text = ""]) => text);
const starter = starterFiles.find(({ name }) => name === "iscep.yaml")?.text ?? "";
const schema: Schema = configurationSchema();
const validate = new Ajv({ strict: false, formats: { regex: true } }).compile(schema);

interface Schema {
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
}

/** The keys that a schema knows, such as `commands.*.run`; with a value, those of them that the value has. */
function* pathsOf(of: Schema, ...[value, path = ""]: [value?: unknown, path?: string]): Iterable<string> {
  const all = value === undefined;
  const members = typeof value === "object" && value !== null ? Object.entries(value) : [];
  for (const branch of of.anyOf ?? []) {
    // Declarations of arguments are told apart by their type.
    const type = branch.properties?.["type"]?.const;
    if (all || type === undefined || members.some(([key, member]) => key === "type" && member === type))
      yield* pathsOf(branch, value, path);
  }
  for (const [key, property] of Object.entries(of.properties ?? {})) {
    const member = members.find(([name]) => name === key)?.[1] as unknown;
    if (!all && member === undefined) continue;
    yield `${path}${key}`;
    yield* pathsOf(property, member, `${path}${key}.`);
  }
  const { additionalProperties: named, items } = of;
  const others: unknown[] = all ? [undefined] : members.map(([, member]) => member as unknown);
  if (typeof named === "object") for (const other of others) yield* pathsOf(named, other, `${path}*.`);
  if (typeof items === "object") for (const other of others) yield* pathsOf(items, other, path);
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "iscep-configuration-docs-"));
  for (const name of ["backup.sh", "report.sh", "archive.sh", "tables.sh"]) {
    writeFileSync(path.join(folder, name), "#!/bin/sh\n");
    chmodSync(path.join(folder, name), 0o755);
  }
  mkdirSync(path.join(folder, "reports"));
  const library = JSON.stringify(import.meta.resolve("iscep"));
  writeFileSync(
    path.join(folder, "commands.js"),
    `import { defineCommand } from ${library};\nexport const hello = defineCommand({ name: "hello", run: () => 1 });\n`,
  );
  writeFileSync(path.join(folder, "package.json"), '{ "type": "module" }');
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeAll(() => void (process.env["CHAT_SECRET"] = "at least 16 characters"));
afterAll(() => void delete process.env["CHAT_SECRET"]);

async function load(text: string): Promise<Configuration> {
  const file = path.join(folder, "iscep.yaml");
  // Only root may run a script as somebody else, and each for himself.
  writeFileSync(file, text.replaceAll(/\buser: backup\b/g, `user: ${os.userInfo().username}`));
  return loadConfiguration(file);
}

function faults(text: string): unknown {
  return validate(parse(text, { merge: true })) ? [] : validate.errors;
}

describe("docs/CONFIGURATION.md", () => {
  test.each([...examples, starter].map((text) => [text.split("\n", 1)[0], text]))(
    "loads and fits the schema: %s …",
    async (_, text = "") => {
      await load(text);
      expect(faults(text)).toEqual([]);
    },
  );

  test("has an example of every key, at its place", () => {
    const shown = new Set(examples.flatMap((text) => [...pathsOf(schema, parse(text))]));
    const wanted = [...new Set(pathsOf(schema))].filter(
      (path) => !path.startsWith("limits.") && !/\.items\./.test(path),
    );
    expect(wanted.length).toBeGreaterThan(30);
    expect(wanted.filter((path) => !shown.has(path))).toEqual([]);
  });

  test("has an example of every type of arguments", () => {
    expect(Object.keys(keysOfArgument).filter((type) => !examples.join("\n").includes(`type: ${type}`))).toEqual([]);
  });

  test("names every limit", () => {
    expect(Object.keys(limitKeys).filter((key) => !document.includes(`\`${key}\``))).toEqual([]);
  });
});

describe("iscep.schema.json", () => {
  test("is the one of this version, and goes with the package", () => {
    expect(JSON.parse(readFileSync("iscep.schema.json", "utf8"))).toEqual(configurationSchema());
    const schema: unknown = JSON.parse(readFileSync(new URL(import.meta.resolve("iscep/iscep.schema.json")), "utf8"));
    expect(schema).toEqual(configurationSchema());
  });

  test("every key of a declaration of arguments has its meaning", () => {
    const keys = new Set(Object.values(keysOfArgument).flat());
    expect([...keys].filter((key) => key !== "type").toSorted()).toEqual(Object.keys(argumentKeys).toSorted());
  });

  test.each([
    "threds: 1",
    "listen: nowhere",
    "listen: []",
    "tls: { cert: cert.pem }",
    "limits: { max_rnus: 1 }",
    "limits: { idle_timeout_ms: 1 minute }",
    "threads: 0",
    "commands: { one: { timeout: 10s } }",
    "commands: { one: { run: date } }",
    "commands: { one: { run: [date], timout: 10s } }",
    "commands: { one: { run: [date], timeout: 10 } }",
    "commands: { one: { run: [date], concurrency: 1 } }",
    "commands: { one: { run: [date], schedule: 3 } }",
    "commands: { one: { run: [date], schedule: { time_zone: UTC } } }",
    'commands: { one: { run: [date], schedule: { cron: "0 3 * * *", zone: UTC } } }',
    "commands: { one: { run: [date], concurrency: {} } }",
    "commands: { one: { run: [date], concurrency: { limit: 0 } } }",
    "commands: { one: { run: [date], concurrency: { limit: 1, when_full: wait } } }",
    'commands: { one: { run: [date, "{a}"], args: { a: { type: strin } } } }',
    'commands: { one: { run: [date, "{a}"], args: { a: { type: integer, pattern: x } } } }',
    'commands: { one: { run: [date, "{a}"], args: { a: { type: list } } } }',
  ])("refuses what the reader refuses: %s", async (text) => {
    expect(faults(text)).not.toEqual([]);
    await expect(load(text)).rejects.toMatchObject({ code: "configuration" });
  });

  const command = (more: string): string => `commands: { one: { run: [date], ${more} } }`;
  test.each([
    "clients: { mode: certificate, ca: [] }",
    "notify: []",
    "notify: { run: [date], on: [] }",
    "listen: []",
    command("notify: []"),
    command("argument_variables: []"),
    command("hidden_from: []"),
    command("args: {}"),
    "commands: { one: { run: [] } }",
    "http: { hooks: { one: { command: one, secret: [] } } }",
    "http: { origins: [], hosts: [] }",
  ])("takes or refuses an empty list as the reader does: %s", async (text) => {
    const taken = await load(text).then(
      () => true,
      () => false,
    );
    if (taken) expect(faults(text)).toEqual([]);
    else expect(faults(text)).not.toEqual([]);
  });

  test("takes whatever the reader takes, and the reader refuses the rest with its place, however examples are changed", async () => {
    let accepted = 0;
    const scalars = [
      "",
      "x",
      "10s",
      "4MiB",
      "0",
      "{a}",
      "-x",
      "unix:a.sock",
      "[::1]:0",
      "./backup.sh",
      "echo",
      "(",
      0,
      1,
      -1,
      0.5,
      1e20,
      true,
      null,
    ];
    const replacement = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { weight: 4, arbitrary: fc.constantFrom<unknown>(...scalars) },
        fc.array(tie("value"), { maxLength: 2 }),
        fc.dictionary(
          fc.constantFrom("type", "run", "args", "default", "limit", "cert", "a", "__proto__"),
          tie("value"),
          { maxKeys: 3 },
        ),
      ),
    })).value;
    const change = fc.record({
      where: fc.nat(),
      key: fc.option(fc.constantFrom(...everyKey)),
      to: fc.option(replacement, { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...examples, starter),
        fc.array(change, { maxLength: 2 }),
        async (text, changes) => {
          const document = parseDocument(text);
          for (const { where, key, to } of changes) changeAt(document, where, key, to);
          const changed = textOf(document);
          // A change may take away the anchor of an alias: that is no document any more.
          fc.pre(changed !== undefined);
          const reader: unknown = await load(changed).then(
            () => "taken",
            (error: unknown) => error,
          );
          if (reader === "taken") {
            accepted++;
            expect(faults(changed)).toEqual([]);
            return;
          }
          expect(reader).toMatchObject({
            code: "configuration",
            message: expect.stringMatching(/iscep\.yaml:\d+:\d+: /),
          });
        },
      ),
      { numRuns: rounds(50, 200, 2_000) },
    );
    expect(accepted).toBeGreaterThan(rounds(0, 5, 50));
  });
});

const everyKey = [...new Set([...pathsOf(schema)].map((path) => path.split(".").at(-1) ?? ""))];

function textOf(document: ReturnType<typeof parseDocument>): string | undefined {
  try {
    return document.toString();
  } catch {
    return undefined;
  }
}

/** Takes a place of the document, and puts something else there, or nothing; with a key, that is put into a map. */
function changeAt(document: Document, where: number, key: string | null, to: unknown): void {
  const places: unknown[][] = [];
  visit(document, {
    Pair: (_, pair, ancestors) => {
      const above = ancestors.filter((node) => isPair(node)).map((node) => String(node.key));
      places.push([...above, String(pair.key)]);
    },
  });
  const place = places[where % places.length] ?? [];
  const map = key === null ? place : [...place.slice(0, -1), key];
  const parent = map.length === 1 ? document.contents : document.getIn(map.slice(0, -1), true);
  // An earlier change may have left a list, or nothing, where the map was.
  if (!isMap(parent)) return;
  if (to === undefined) document.deleteIn(map);
  else document.setIn(map, document.createNode(to));
}

test.each([
  ["a port above 65535", { listen: "0.0.0.0:99999" }],
  ["a name with a blank", { commands: { "a b": { run: ["ls"] } } }],
  ["a name of iscep's own", { commands: { "iscep.x": { run: ["ls"] } } }],
])("the schema refuses %s, and takes what is right", (_, wrong) => {
  expect(validate(wrong)).toBe(false);
  expect(validate({ listen: ["0.0.0.0:65535", "8", "[::1]:0"], commands: { "a.b-c": { run: ["ls"] } } })).toBe(true);
});
