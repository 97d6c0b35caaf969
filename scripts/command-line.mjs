/**
 * Puts the verbs that speak to a server, and commander, into one file, dist/cli/bundled.js: to load a hundred small files
 * takes longer than a call. Names and lines stay as they are, so that stack traces can be read.
 *
 * Only these verbs, because they share nothing with modules of users. `iscep serve` loads modules that import the library,
 * and both must have the same classes.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const root = path.dirname(import.meta.dirname);

/** The verbs of the bundle; src/cli/main.ts has the same list. */
const serverSide = /\/dist\/cli\/verbs\/(?:serve|check|init|tokens|cert|mcp)\.js$/;

/**
 * Commander can start programs as verbs, which ours never are, and loads Node's module for it at once.
 * @param {string} code
 */
function withoutProcesses(code) {
  const loading = "require('node:child_process')";
  if (!code.includes(loading)) throw new Error(`commander has no ${loading} any more; see scripts/command-line.mjs`);
  return code.replace(loading, "{}");
}

export async function bundleCommandLine() {
  const { build } = await import("vite");
  const { packageVersion } = await import("#iscep/version");
  const commander = path.dirname(createRequire(import.meta.url).resolve("commander"));
  const licence = readFileSync(path.join(commander, "LICENSE"), "utf8").trim();
  await build({
    configFile: false,
    root,
    logLevel: "warn",
    plugins: [
      {
        name: "version",
        enforce: "pre",
        // The file is at another depth than the one that looks for package.json.
        load: (id) =>
          id.endsWith("/dist/version.js")
            ? `export const packageVersion = ${JSON.stringify(packageVersion)};`
            : undefined,
        resolveId: (id, importer) => {
          if (importer !== undefined && serverSide.test(path.resolve(path.dirname(importer), id)))
            return { id: `./verbs/${path.basename(id)}`, external: true };
          // Only callers of a service on a broker load them.
          return id.startsWith("@nats-io/") ? { id, external: true } : undefined;
        },
        transform: (code, id) => (id === path.join(commander, "lib/command.js") ? withoutProcesses(code) : undefined),
      },
    ],
    ssr: { noExternal: true },
    build: {
      ssr: path.join(root, "dist/cli/command-line.js"),
      outDir: path.join(root, "dist/cli"),
      emptyOutDir: false,
      copyPublicDir: false,
      target: "node20",
      minify: false,
      rolldownOptions: {
        output: {
          entryFileNames: "bundled.js",
          format: "esm",
          codeSplitting: false,
          comments: false,
          banner: `/*! The part of commander:\n${licence}\n*/`,
        },
      },
    },
  });
}
