import { writeFileSync } from "node:fs";
import { chmod, mkdir, readFile, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { connect, type Client } from "iscep";
import { defaultLimits } from "#iscep/limits/limits";
import { WatchedFiles } from "#iscep/files/watched-files";
import { serve, type Serving } from "../support/iscep.js";
import { temporaryFolder } from "../support/temporary-folder.js";

// Files are written in one step: the servers are in this process, and never find half of one.
const head = "listen: 127.0.0.1:0\ntls: false\n";
const withCommands = (...names: string[]): string =>
  `${head}commands:\n${names.map((name) => `  ${name}: { run: [echo, ${name}] }\n`).join("")}`;

async function start(folder: string, words: readonly string[] = []): Promise<{ serving: Serving; client: Client }> {
  const serving = await serve(words, { folder });
  const client = await connect(serving.url);
  onTestFinished(() => client.close());
  return { serving, client };
}

async function names(client: Client): Promise<string[]> {
  return (await client.list()).map(({ name }) => name).toSorted();
}

/** What the process writes on standard error from now on, as far as it has come. */
function errorsOf({ child }: Serving): () => string {
  let text = "";
  child.stderr.on("data", (chunk: Buffer) => (text += String(chunk)));
  return () => text;
}

/** A script that ends when `folder` has a file named go. */
async function writeWaitScript(folder: string): Promise<void> {
  const script = join(folder, "wait.sh");
  writeFileSync(script, "#!/bin/sh\necho began > began\nwhile [ ! -e go ]; do sleep 0.05; done\necho ended\n");
  await chmod(script, 0o755);
}

describe("a change of iscep.yaml", () => {
  test("is taken by itself, and neither a connection nor a run is dropped", async () => {
    const folder = temporaryFolder();
    const file = join(folder, "iscep.yaml");
    await writeWaitScript(folder);
    // Logs in the same folder make events there all the time.
    writeFileSync(file, `logs: .\n${withCommands("old")}  wait: { run: [./wait.sh] }\n`);
    const { serving, client } = await start(folder);
    expect(await names(client)).toEqual(["old", "wait"]);
    const waiting = client.call("wait");
    const other = await connect(serving.url);
    onTestFinished(() => other.close());
    await expect.poll(() => readFile(join(folder, "began"), "utf8").catch(() => "")).toBe("began\n");
    writeFileSync(file, `logs: .\n${withCommands("new")}`);
    await expect.poll(() => names(other)).toEqual(["new"]);
    expect(await other.call("new")).toMatchObject({ stdout: "new\n" });
    await expect(other.call("wait")).rejects.toMatchObject({ code: "command_not_found" });
    writeFileSync(join(folder, "go"), "");
    expect(await waiting).toMatchObject({ exitCode: 0, stdout: "ended\n" });
    const { code, stderr } = await serving.stop();
    expect(code).toBe(0);
    expect(stderr).not.toContain("warning");
  });

  test("by a rename, as editors do, and again by another one", async () => {
    const folder = temporaryFolder();
    const file = join(folder, "iscep.yaml");
    writeFileSync(file, withCommands("zero"));
    const { serving, client } = await start(folder);
    for (const name of ["one", "two"]) {
      writeFileSync(`${file}.new`, withCommands(name));
      await rename(`${file}.new`, file);
      await expect.poll(() => names(client)).toEqual([name]);
    }
    expect((await serving.stop()).stderr).toBe(
      "iscep: commands were read again: added one; removed zero\niscep: commands were read again: added two; removed one\n",
    );
  });

  test("is told by the names of the commands, and a mended fault as such; with --quiet in the log only", async () => {
    const folder = temporaryFolder();
    const file = join(folder, "iscep.yaml");
    const text = (lines: string): string => `${head}logs: logs\nx-all: &all { timeout: 1m }\ncommands:\n${lines}`;
    const log = (name: string): Promise<string> => readFile(join(folder, name, "error.log"), "utf8");
    const kept = "  kept: { run: [echo, kept] }\n";
    writeFileSync(file, text(`  old: { run: [echo] }\n  same: { <<: *all, run: [echo, 1] }\n${kept}`));
    const { serving, client } = await start(folder);
    const quiet = await start(folder, ["--quiet", "--logs", "quiet"]);
    const errors = errorsOf(serving);
    writeFileSync(file, text(`  new: { run: [echo] }\n  same: { <<: *all, run: [echo, 2] }\n${kept}`));
    await expect.poll(errors).toBe("iscep: commands were read again: added new; removed old; changed same\n");
    for (const each of [client, quiet.client]) await expect.poll(() => names(each)).toEqual(["kept", "new", "same"]);
    const second = text(`  new: { run: [echo] }\n  same: { <<: *all, run: [echo, 2] }\n${kept}`);
    writeFileSync(file, `${second}threds: 1\n`);
    await expect.poll(errors).toContain("threds");
    await expect.poll(() => log("quiet")).toContain("threds");
    writeFileSync(file, second);
    await expect.poll(errors).toMatch(/^iscep: the fault is mended: all commands are as before\n/m);
    await expect.poll(() => log("quiet")).toContain("mended");
    writeFileSync(file, second.replace("1m", "2m"));
    await expect.poll(errors).toMatch(/^iscep: commands were read again: changed same\n/m);
    await expect.poll(() => log("quiet")).toContain("again: changed same");
    expect((await quiet.serving.stop()).stderr).toBe("");
    await serving.stop();
    for (const name of ["logs", "quiet"]) {
      expect(await log(name)).toMatch(
        /"event":"reload","message":"commands were read again: added new.*"level":"info"/,
      );
      expect(await log(name)).toMatch(/the fault is mended.*"level":"info"/);
    }
  });

  test("by a swap of the link that its folder hangs on, as Kubernetes does", async () => {
    const folder = temporaryFolder();
    for (const name of ["first", "second", "third"]) {
      await mkdir(join(folder, name));
      writeFileSync(join(folder, name, "iscep.yaml"), withCommands(name));
    }
    await symlink("first", join(folder, "..data"));
    await symlink(join("..data", "iscep.yaml"), join(folder, "iscep.yaml"));
    const { serving, client } = await start(folder);
    expect(await names(client)).toEqual(["first"]);
    for (const name of ["second", "third"]) {
      await symlink(name, join(folder, "..next"));
      await rename(join(folder, "..next"), join(folder, "..data"));
      await expect.poll(() => names(client)).toEqual([name]);
      // What was served before goes.
      await rm(join(folder, name === "second" ? "first" : "second"), { recursive: true });
    }
    expect((await serving.stop()).stderr).not.toContain("warning");
  });

  test("that is broken keeps the commands of before, and says so on standard error and in error.log", async () => {
    const folder = temporaryFolder();
    const file = join(folder, "iscep.yaml");
    writeFileSync(file, `logs: logs\n${withCommands("good")}`);
    const { serving, client } = await start(folder);
    const errors = errorsOf(serving);
    writeFileSync(file, `logs: logs\n${withCommands("better")}threds: 1\n`);
    await expect
      .poll(errors)
      .toMatch(
        /^iscep: warning: the commands of before stay: iscep\.yaml:6:1: the file has no key "threds"; did you mean "threads"\?\n$/,
      );
    expect(await names(client)).toEqual(["good"]);
    expect(await client.call("good")).toMatchObject({ stdout: "good\n" });
    await rm(file);
    await expect.poll(errors).toContain("there is no such file");
    expect(await names(client)).toEqual(["good"]);
    await symlink("iscep.yaml", file);
    await expect.poll(errors).toContain("ELOOP");
    await rm(file);
    writeFileSync(file, `logs: logs\n${withCommands("better")}`);
    await expect.poll(() => names(client)).toEqual(["better"]);
    expect((await serving.stop()).code).toBe(0);
    const log = await readFile(join(folder, "logs", "error.log"), "utf8");
    expect(log).toMatch(/"event":"reload".*the commands of before stay: iscep\.yaml:6:1/);
  });

  test("with --quiet is told in error.log only", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "iscep.yaml"), withCommands("good"));
    const { serving, client } = await start(folder, ["--quiet", "--logs", "logs"]);
    writeFileSync(join(folder, "iscep.yaml"), "commands: 5\n");
    await expect
      .poll(() => readFile(join(folder, "logs", "error.log"), "utf8"))
      .toContain("the commands of before stay");
    expect(await names(client)).toEqual(["good"]);
    expect((await serving.stop()).stderr).toBe("");
  });

  test("of what only a new start can take is named, and the commands are taken", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "iscep.yaml"), withCommands("one"));
    const { serving, client } = await start(folder);
    const errors = errorsOf(serving);
    writeFileSync(join(folder, "iscep.yaml"), `${withCommands("two")}threads: 2\nlimits: { max_runs: 3 }\n`);
    await expect.poll(errors).toMatch(/warning: changes of `limits`, `threads` count when the server is started again/);
    expect(await names(client)).toEqual(["two"]);
    await serving.stop();
  });
});

test("through twenty readings one after the other every call is answered", async () => {
  const folder = temporaryFolder();
  const file = join(folder, "iscep.yaml");
  writeFileSync(file, withCommands("steady", "turn0"));
  const { serving, client } = await start(folder);
  let answered = 0;
  const end = new AbortController();
  const calls = (async () => {
    while (!end.signal.aborted) {
      expect(await client.call("steady")).toMatchObject({ stdout: "steady\n" });
      answered++;
    }
  })();
  for (let turn = 1; turn <= 20; turn++) {
    const before = answered;
    writeFileSync(`${file}.new`, withCommands("steady", `turn${turn}`));
    await rename(`${file}.new`, file);
    serving.child.kill("SIGHUP");
    await expect.poll(() => names(client)).toEqual(["steady", `turn${turn}`]);
    await expect.poll(() => answered).toBeGreaterThan(before);
  }
  end.abort();
  await calls;
  expect((await serving.stop()).stderr).not.toContain("warning");
});

describe("modules", () => {
  const module = (library: string, value: number): string =>
    `import { defineCommand } from ${library};\nexport const number = defineCommand({ name: "number", run: () => ${value} });\n`;
  const library = JSON.stringify(import.meta.resolve("iscep"));

  test("that have changed are named, and stay as they are while scripts beside them are taken", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "number.mjs"), module(library, 1));
    writeFileSync(join(folder, "iscep.yaml"), `modules: [number.mjs]\n${withCommands("one")}`);
    const { serving, client } = await start(folder);
    const errors = errorsOf(serving);
    writeFileSync(join(folder, "number.mjs"), module(library, 22));
    await expect.poll(errors).toMatch(/number\.mjs has changed; .* until the server is started again/);
    writeFileSync(join(folder, "iscep.yaml"), `modules: [number.mjs]\n${withCommands("two")}`);
    await expect.poll(() => names(client)).toEqual(["number", "two"]);
    expect(await client.call("number")).toBe(1);
    await serving.stop();
  });

  test("that are new are loaded, also one that was broken at first and has been mended", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "iscep.yaml"), withCommands("one"));
    const { serving, client } = await start(folder);
    const errors = errorsOf(serving);
    writeFileSync(join(folder, "number.mjs"), "export const = 1;\n");
    writeFileSync(join(folder, "iscep.yaml"), `modules: [number.mjs]\n${withCommands("one")}`);
    await expect.poll(errors).toMatch(/before stay: iscep\.yaml:1:11: .*number\.mjs: cannot be loaded: SyntaxError/);
    writeFileSync(join(folder, "number.mjs"), module(library, 7));
    serving.child.kill("SIGHUP");
    await expect.poll(() => names(client)).toEqual(["number", "one"]);
    expect(await client.call("number")).toBe(7);
    await serving.stop();
  });
});

test("where the system reports nothing of a change, the file's date shows it", async () => {
  const folder = temporaryFolder();
  for (const name of ["links", "first", "second"]) await mkdir(join(folder, name));
  for (const name of ["first", "second"]) writeFileSync(join(folder, name, "file"), name);
  // Neither the folder of the name nor that of the file, but one on the way between the two.
  await symlink(join(folder, "first", "file"), join(folder, "links", "way"));
  await symlink(join(folder, "links", "way"), join(folder, "name"));
  const watched = new WatchedFiles([join(folder, "name")]);
  onTestFinished(() => watched.close());
  const told = new Promise((onChange) =>
    watched.start({ limits: { ...defaultLimits, configurationCheckMs: 20, configurationSettleMs: 20 }, onChange }),
  );
  await symlink(join(folder, "second", "file"), join(folder, "links", "next"));
  await rename(join(folder, "links", "next"), join(folder, "links", "way"));
  expect(await told).toEqual([join(folder, "name")]);
});
