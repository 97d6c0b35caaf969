/** What a door and a caller are written with can be named: no declaration of theirs uses a type that is not exported. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

const entries = ["dist/index.d.ts", "dist/doors/http/door.d.ts", "dist/doors/nats/door.d.ts"];

/** Where they are declared. Elsewhere types are computed from others, and nobody needs their names. */
const seams = ["dist/doors/door.d.ts", "dist/client/protocol/"];

const statement =
  /^(?:export )?(?:declare )?(?:abstract )?(?:class|interface|type|function|const|enum) (\w+)[^]*?(?=^(?:export|declare|class|interface|type|function|const|enum|import)\b|(?![^]))/gm;

function textOf(file: string): string {
  return readFileSync(file, "utf8").replaceAll(/\/\*[^]*?\*\/|\/\/.*$/gm, "");
}

function namesOf(list: string): { readonly name: string; readonly as: string }[] {
  return list
    .split(",")
    .map((part) => part.trim().replace(/^type /, ""))
    .filter(Boolean)
    .map((part) => ({ name: part.split(" as ")[0] ?? part, as: part.split(" as ").at(-1) ?? part }));
}

/** Names that a file has from other files of ours, and the declarations that it has itself. */
function readDeclarations(file: string) {
  const text = textOf(file);
  const imported = [...text.matchAll(/^import (?:type )?\{([^}]*)\} from "\.[^"]*"/gm)].flatMap(([, list = ""]) =>
    namesOf(list).map(({ as }) => as),
  );
  const declared = new Map([...text.matchAll(statement)].map(([whole, name = ""]) => [name, whole]));
  return { text, imported, declared };
}

/** Each export of an entry, with the file that declares it. */
function exportsOf(entry: string): { readonly name: string; readonly file: string }[] {
  const { text } = readDeclarations(entry);
  const elsewhere = [...text.matchAll(/^export (?:type )?\{([^}]*)\} from "(\.[^"]*)\.js"/gm)].flatMap(
    ([, list = "", from = ""]) =>
      namesOf(list).map(({ name }) => ({ name, file: path.join(path.dirname(entry), `${from}.d.ts`) })),
  );
  const here = [...text.matchAll(/^export (?:declare )?(?:class|interface|type|function|const) (\w+)/gm)].map(
    ([, name = ""]) => ({ name, file: entry }),
  );
  return [...elsewhere, ...here];
}

test("no declaration of a door or of a caller's options names a type that cannot be imported", () => {
  expect(entries.filter((entry) => !existsSync(entry))).toEqual([]);
  const exported = entries.flatMap((entry) => exportsOf(entry));
  expect(exported.length).toBeGreaterThan(60);
  const names = new Set(exported.map(({ name }) => name));
  const written = exported.filter(({ file }) => seams.some((seam) => file.startsWith(seam)));
  expect(written.length).toBeGreaterThan(15);
  const leaks = written.flatMap(({ name, file }) => {
    const { imported, declared } = readDeclarations(file);
    const body = declared.get(name);
    expect(body, `${name} of ${file}`).toBeDefined();
    return [...imported, ...declared.keys()]
      .filter((used) => !names.has(used) && new RegExp(`\\b${used}\\b`).test(body ?? ""))
      .map((used) => `${name}: ${used} (${file})`);
  });
  expect(leaks).toEqual([]);
});
