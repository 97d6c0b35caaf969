/**
 * The package as others get it. The tarball is packed from the working tree; the git install takes what HEAD holds, as a
 * clone cannot hold more: commit first. Dependencies come from wherever this machine's npm gets its packages.
 */
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { run, tryRun } from "../support/package-programs.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const root = process.cwd();
const temporary = temporaryFolder();

const packReport = z.tuple([
  z.object({
    filename: z.string(),
    size: z.number(),
    unpackedSize: z.number(),
    files: z.array(z.object({ path: z.string() })),
  }),
]);

let packed: z.infer<typeof packReport>[0];

beforeAll(() => {
  const report = run(root, "npm", "pack", "--json", "--ignore-scripts", "--pack-destination", temporary);
  [packed] = packReport.parse(JSON.parse(report));
});

const program = `
  import { Server, connect, defineCommand } from "iscep";
  export const server: Server = new Server({ commands: {} });
  export const functions = [connect, defineCommand];
  // @ts-expect-error A number is no options: the types arrived.
  new Server(42);
`;

const compilerOptions = {
  target: "es2022",
  module: "nodenext",
  types: ["node"],
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  noEmit: true,
};

describe.each<[way: string, source: () => string]>([
  ["a tarball", () => path.join(temporary, packed.filename)],
  [
    "git",
    () => {
      const bare = path.join(temporary, "iscep.git");
      run(temporary, "git", "clone", "--quiet", "--bare", root, bare);
      return `git+${pathToFileURL(bare).href}`;
    },
  ],
])("installed from %s in an empty project", (way, source) => {
  const project = path.join(temporary, way.replace(" ", "-"));
  let warnings: string;

  beforeAll(() => {
    mkdirSync(project);
    writeFileSync(
      path.join(project, "package.json"),
      JSON.stringify({ name: "consumer", private: true, type: "module" }),
    );
    const installed = tryRun(project, "npm", "install", "--prefer-offline", "--no-audit", "--no-fund", source());
    if (installed.status !== 0) throw new Error(installed.stdout + installed.stderr);
    warnings = installed.stderr;
  });

  test("npm warns of nothing", () => {
    expect(warnings).toBe("");
  });

  test("its types compile under strict, and say no to what is wrong", () => {
    mkdirSync(path.join(project, "node_modules/@types"), { recursive: true });
    symlinkSync(
      path.join(root, "node_modules/@types/node"),
      path.join(project, "node_modules/@types/node"),
      "junction",
    );
    writeFileSync(path.join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["program.ts"] }));
    writeFileSync(path.join(project, "program.ts"), program);
    const compiler = path.join(root, "node_modules/typescript/bin/tsc");
    expect(run(project, process.execPath, compiler, "-p", project)).toBe("");
  });

  const names = "[Server, connect, defineCommand].map((it) => typeof it).join()";

  test("import loads it", () => {
    const code = `import { Server, connect, defineCommand } from "iscep"; console.log(${names})`;
    expect(run(project, process.execPath, "--input-type=module", "-e", code).trim()).toBe("function,function,function");
  });

  test.skipIf(!Reflect.get(process.features, "require_module"))("require loads it", () => {
    const code = `const { Server, connect, defineCommand } = require("iscep"); console.log(${names})`;
    expect(run(project, process.execPath, "--input-type=commonjs", "-e", code).trim()).toBe(
      "function,function,function",
    );
  });

  test("npx iscep --help answers", () => {
    expect(run(project, "npx", "--no-install", "iscep", "--help")).toMatch(/\bserve\b[\s\S]*\bcall\b/);
  });

  test("nothing that is only needed for development came with it", () => {
    const { dependencies } = z
      .object({ dependencies: z.object({ iscep: z.object({ dependencies: z.record(z.string(), z.unknown()) }) }) })
      .parse(JSON.parse(run(project, "npm", "ls", "--all", "--json")));
    expect(Object.keys(dependencies.iscep.dependencies)).not.toContain("vitest");
    expect(readdirSync(path.join(project, "node_modules/iscep"))).not.toContain("test");
  });
});

describe("the tarball", () => {
  const files = (): string[] => packed.files.map((file) => file.path);

  test("holds the code, its sources and the documents, and nothing else", () => {
    const expected =
      /^(?:package\.json|iscep\.schema\.json|LICENSE|(?:README|PROTOCOL|SECURITY|CONTRIBUTING|CHANGELOG)\.md|docs\/(?:[A-Z]+\.md|iscep\.svg|images\/[\w-]+\.(?:png|svg))|examples\/.+|src\/.+\.ts|dist\/console\/(?:index\.html|icon\.svg|assets\/index-[\w-]+\.(?:js|css))|dist\/.+(?:\.js|\.d\.ts(?:\.map)?))$/;
    expect(files().filter((file) => !expected.test(file))).toEqual([]);
    expect(files()).toEqual(
      expect.arrayContaining([
        "package.json",
        "LICENSE",
        "README.md",
        "SECURITY.md",
        "PROTOCOL.md",
        "iscep.schema.json",
      ]),
    );
  });

  test("holds the build of every source, and no build without a source", () => {
    const stems = (pattern: RegExp): string[] =>
      files()
        .flatMap((file) => pattern.exec(file)?.slice(1) ?? [])
        .toSorted();
    const sources = stems(/^src\/(.+)\.ts$/);
    expect(sources.length).toBeGreaterThan(20);
    expect(stems(/^dist\/(?!console\/|cli\/bundled)(.+)\.js$/)).toEqual(sources);
    expect(stems(/^dist\/(.+)\.d\.ts$/)).toEqual(sources);
  });

  test("holds every file that its documents link to", () => {
    const broken = files()
      .filter((file) => file.endsWith(".md"))
      .flatMap((file) => {
        const links = [...readFileSync(file, "utf8").matchAll(/\]\(([^)\s#]+)[^)\s]*\)/g)].map(([, link = ""]) => link);
        const paths = links.filter((link) => !/^[a-z]+:/.test(link)).map((link) => path.join(path.dirname(file), link));
        return paths.filter((linked) => !files().some((one) => one === linked || one.startsWith(`${linked}/`)));
      });
    expect(broken).toEqual([]);
  });

  test("holds the source that each map leads to, and no map without one", () => {
    const map = z.object({ sources: z.array(z.string()) });
    const lost = files()
      .filter((file) => file.endsWith(".map"))
      .flatMap((file) => {
        const { sources } = map.parse(JSON.parse(readFileSync(file, "utf8")));
        return sources.map((source) => path.join(path.dirname(file), source));
      });
    expect(lost.length).toBeGreaterThan(20);
    expect(lost.filter((source) => !files().includes(source))).toEqual([]);
    const named = files().filter(
      (file) => file.endsWith(".js") && readFileSync(file, "utf8").includes("sourceMappingURL"),
    );
    expect(named).toEqual([]);
  });

  test("has no script that npm would run, or ask about, where it is installed", () => {
    const { scripts } = z
      .object({ scripts: z.record(z.string(), z.string()) })
      .parse(JSON.parse(readFileSync("package.json", "utf8")));
    expect(Object.keys(scripts)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(?:pre|post)?install$|^prepare$/)]),
    );
  });

  test("stays small", () => {
    // Half of it are sources and the maps of types that lead to them.
    expect(packed.size).toBeLessThan(2 * 1024 * 1024);
    expect(packed.unpackedSize).toBeLessThan(7 * 1024 * 1024);
  });
});
