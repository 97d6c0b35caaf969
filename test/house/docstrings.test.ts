/** What users of the library read in their editor: each member of each exported interface says what it is, and options their default. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { defaultLimits } from "iscep";
import { defaultPort } from "#iscep/transport/address";

const sources = readdirSync("src", { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => readFileSync(path.join("src", file), "utf8"));
const exported = new Set(
  [...readFileSync("src/index.ts", "utf8").matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, names = ""]) =>
    names.split(",").map((name) => name.replace("type", "").trim()),
  ),
);

interface Member {
  readonly of: string;
  readonly name: string;
  readonly isOptional: boolean;
  readonly docstring: string;
}

/** The members of the exported interfaces, and of those that they extend. */
function members(): Member[] {
  const bodies = new Map<string, { readonly body: string; readonly bases: string[] }>();
  for (const source of sources) {
    const pattern = /^export interface (\w+)(?:<[^{]*?>)?(?:\s+extends ([^{]+?))?\s*\{\n([^]*?)^\}/gm;
    for (const [, name = "", bases = "", body = ""] of source.matchAll(pattern)) {
      bodies.set(name, { body, bases: [...bases.replaceAll(/<[^>]*>/g, "").matchAll(/\w+/g)].map(([base]) => base) });
    }
  }
  const wanted = new Set([...exported].filter((name) => bodies.has(name)));
  for (const name of wanted) for (const base of bodies.get(name)?.bases ?? []) if (bodies.has(base)) wanted.add(base);
  return [...wanted].flatMap((of) => {
    const member =
      /(?:^ {2}\/\*\*([^]*?)\*\/\n(?: {2}\/\/.*\n)*)?^ {2}(?:readonly )?(\w+|\[Symbol\.\w+\])(\?)?(?:[<(:])/gm;
    return [...(bodies.get(of)?.body ?? "").matchAll(member)].map(
      ([, docstring = "", name = "", optional]): Member => ({
        of,
        name,
        isOptional: optional !== undefined,
        docstring: docstring.replaceAll(/\s*\n\s*\*\s*/g, " ").trim(),
      }),
    );
  });
}

const all = members();

test("the interfaces of the public surface are found", () => {
  expect(new Set(all.map(({ of }) => of)).size).toBeGreaterThan(20);
  for (const name of ["ServerOptions", "ConnectOptions", "ScriptDefinition", "ProcessDefinition", "RunHandle"]) {
    expect(all.filter(({ of }) => of === name).length, name).toBeGreaterThan(4);
  }
});

test("each member says what it is", () => {
  const silent = all.filter(({ name, docstring }) => docstring === "" && !name.startsWith("["));
  expect(silent.map(({ of, name }) => `${of}.${name}`)).toEqual([]);
});

test("each option says what counts without it", () => {
  const options = all.filter(
    ({ of, isOptional }) => isOptional && /(?:Options|Definition|Limits|Certificates)$/.test(of),
  );
  expect(options.length).toBeGreaterThan(40);
  const silent = options.filter(({ docstring }) => !/\bDefault\b|\bWithout\b/i.test(docstring));
  expect(silent.map(({ of, name }) => `${of}.${name}`)).toEqual([]);
});

test("the defaults that are numbers are those of the limits", () => {
  const said = (name: string): string | undefined => {
    const docstring = all.find((member) => member.of === "ServerOptions" && member.name === name)?.docstring;
    return / Default: ([\d,]+)\./.exec(docstring ?? "")?.[1];
  };
  expect(said("maxConnections")).toBe(defaultLimits.maxConnections.toLocaleString("en-US"));
  expect(said("threads")).toBe(String(defaultLimits.maxThreads));
  expect(said("port")).toBe(String(defaultPort));
});
