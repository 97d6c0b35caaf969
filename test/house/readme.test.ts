/**
 * The README's code runs as it stands there. A block right after `<!-- runs: FILE -->` is written to FILE in a fresh
 * project that has iscep and the packages that the blocks import; TypeScript is compiled under strict first. Then
 * `server.*` is started, and once it printed a line with "listening on", `client.*` has to end with exit code 0.
 * The default port is replaced by one of our own, and the client finds the server's address in ISCEP_URL as well.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ownPort } from "../support/own-port.js";

const defaultPort = "8989";
const root = process.cwd();
const blocks = new Map(
  [...readFileSync("README.md", "utf8").matchAll(/^<!-- runs: (\S+) -->\n+```\w*\n([\s\S]*?)^```$/gm)].map(
    ([, file = "", code = ""]) => [file, code],
  ),
);
const project = mkdtempSync(path.join(os.tmpdir(), "iscep-readme-"));
let server: ChildProcess | undefined;

/** Makes `specifier` resolve in the project as it would after `npm install`. */
function link(specifier: string): void {
  const name = specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
  const place = path.join(project, "node_modules", name);
  mkdirSync(path.dirname(place), { recursive: true });
  rmSync(place, { force: true });
  symlinkSync(name === "iscep" ? root : path.join(root, "node_modules", name), place, "junction");
}

function compile(): void {
  const compilerOptions = {
    target: "es2022",
    lib: ["es2023", "esnext.disposable"],
    module: "nodenext",
    types: ["node"],
    strict: true,
    skipLibCheck: true,
  };
  writeFileSync(path.join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  const compiler = path.join(root, "node_modules/typescript/bin/tsc");
  const run = spawnSync(process.execPath, [compiler, "-p", project], { encoding: "utf8" });
  expect(run.stdout).toBe("");
  expect(run.status).toBe(0);
}

function start(name: string, env: NodeJS.ProcessEnv = {}): ChildProcess {
  const file = [...blocks.keys()].find((block) => path.parse(block).name === name);
  if (file === undefined) throw new Error(`README.md has no block marked <!-- runs: ${name}.ts --> or ${name}.js`);
  return spawn(process.execPath, [file.replace(/\.ts$/, ".js")], {
    cwd: project,
    env: { ...process.env, HOME: project, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** The first line that says so, or what the program said instead before it ended. */
async function listening(child: ChildProcess): Promise<string> {
  const said: string[] = [];
  if (!child.stdout || !child.stderr) throw new Error("started with pipes");
  child.stderr.on("data", (chunk: Buffer) => said.push(String(chunk)));
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(line);
    if (line.includes("listening on")) {
      child.stdout.resume();
      return line;
    }
  }
  throw new Error(`the README's server ended before it listened:\n${said.join("\n")}`);
}

beforeAll(async () => {
  const port = String(await ownPort());
  link("@types/node");
  writeFileSync(path.join(project, "package.json"), JSON.stringify({ type: "module" }));
  for (const [file, code] of blocks) {
    mkdirSync(path.dirname(path.join(project, file)), { recursive: true });
    // A server that names no port has the default one, which another copy of the tests may have just now.
    const own = code.replaceAll(defaultPort, port).replace("new Server({ ", `new Server({ port: ${port}, `);
    writeFileSync(path.join(project, file), own);
    for (const [, specifier = ""] of code.matchAll(/from "((?!node:)[^."][^"]*)"/g)) link(specifier);
  }
  if ([...blocks.keys()].some((file) => file.endsWith(".ts"))) compile();
});

afterAll(async () => {
  if (server && server.exitCode === null && server.signalCode === null) {
    server.kill("SIGKILL");
    await once(server, "exit");
  }
  rmSync(project, { recursive: true, force: true });
});

test("the README's server and client run as they stand there", async () => {
  server = start("server");
  const line = await listening(server);
  const client = start("client", {
    ISCEP_URL: line.slice(line.indexOf("listening on ") + "listening on ".length).trim(),
  });
  let said = "";
  client.stdout?.on("data", (chunk: Buffer) => (said += String(chunk)));
  client.stderr?.on("data", (chunk: Buffer) => (said += String(chunk)));
  const [code] = await once(client, "close");
  expect({ code, said }).toEqual({
    code: 0,
    said: expect.stringMatching(/^hello Ada\nnether: part 1[^]*part 3 of 3\nnether.tar\n$/),
  });
});
