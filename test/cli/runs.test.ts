import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { connect, declareArguments, defineCommand, Server } from "iscep";
import { loadCommandModule } from "#iscep/commands/load-module";
import { bytesText, durationText } from "#iscep/cli/calling/run-table";
import { ended, firstLine, iscep, serve, startIscep, type Ended, type RunOptions } from "../support/iscep.js";
import { startProcess } from "../support/iscep-process.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const liveFile = fileURLToPath(new URL("programs/live.mjs", import.meta.url));

/** Says so many letters. */
const say = defineCommand({
  name: "say",
  args: declareArguments({ text: { type: "string" } }),
  run: async ({ text }, { output }) => {
    await output.write("stdout", text);
  },
});

interface Served {
  readonly url: string;
  readonly options: RunOptions;
  runs(...words: string[]): Promise<Ended>;
  /** Calls to the end, and gives the id of the run. */
  ran(command: string, args?: Record<string, unknown>): Promise<string>;
}

async function served(): Promise<Served> {
  const folder = temporaryFolder();
  const server = new Server({ commands: [...(await loadCommandModule(liveFile)), say], unix: join(folder, "s.sock") });
  onTestFinished(() => server.close({ graceMs: 0 }));
  const { url } = await server.listen();
  const options = { folder, environment: { ISCEP_URL: url } };
  return {
    url,
    options,
    runs: (...words) => iscep(["runs", ...words], options),
    ran: async (command, args = {}) => {
      await using client = await connect(url);
      const run = client.run(command, args);
      await run.outcome;
      return await run.id;
    },
  };
}

describe("iscep runs", () => {
  test("lists runs, newest first", async () => {
    const { runs, ran } = await served();
    expect(await runs()).toMatchObject({ code: 0, stdout: "", stderr: "the server knows of no run of this caller\n" });
    expect((await runs("--json")).stdout).toBe("[]\n");
    const first = await ran("say", { text: "hello" });
    const second = await ran("exits");
    const { code, stdout, stderr } = await runs();
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const [header, ...lines] = stdout.trimEnd().split("\n");
    expect(header).toMatch(/^RUN +COMMAND +STATUS +STARTED +DURATION +OUTPUT$/);
    expect(lines).toHaveLength(2);
    const time = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +[\d.]+ m?s +`;
    expect(lines[0]).toMatch(new RegExp(`^${second} +exits +failed \\(exit code 3\\) +${time}\\d+ B$`));
    expect(lines[1]).toMatch(new RegExp(`^${first} +say +completed +${time}5 B$`));
  });

  test("--json is an array of all that is known; --limit ends it", async () => {
    const { runs, ran } = await served();
    await ran("say", { text: "a" });
    const newest = await ran("say", { text: "bc" });
    const all = JSON.parse((await runs("--json")).stdout) as { run: string }[];
    expect(all).toHaveLength(2);
    expect(all[0]).toMatchObject({ run: newest, command: "say", status: "completed", outputBytes: 2 });
    expect(JSON.parse((await runs("--json", "--limit", "1")).stdout)).toEqual([all[0]]);
    expect((await runs("--limit", "0")).code).toBe(64);
  });

  test("all pages of a long list are asked for", async () => {
    const { runs, url } = await served();
    await using client = await connect(url);
    const ids: string[] = [];
    for (let index = 0; index < 230; index++) ids.push(await client.run("say", { text: "a" }).id);
    // Ids begin with the time; those of one millisecond come in any order.
    ids.sort().reverse();
    const all = JSON.parse((await runs("--json")).stdout) as { run: string }[];
    expect(all.map(({ run }) => run)).toEqual(ids);
    const some = JSON.parse((await runs("--json", "--limit", "150")).stdout) as { run: string }[];
    expect(some.map(({ run }) => run)).toEqual(ids.slice(0, 150));
  });

  test("after a restart of the server, runs and their output are there as before", async () => {
    const folder = temporaryFolder();
    await writeFile(join(folder, "iscep.yaml"), `listen: unix:s.sock\nmodules: [${JSON.stringify(liveFile)}]\n`);
    const before = await serve([], { folder });
    const options = { folder, environment: { ISCEP_URL: before.url } };
    await writeFile(join(folder, "go on"), "");
    const words = ["call", "--detach", "talk", "--file", join(folder, "go on")];
    const run = (await iscep(words, options)).stdout.trim();
    expect(await iscep(["runs", "attach", run], options)).toMatchObject({ code: 0, stdout: "first\nsecond\nvalue\n" });
    const failed = (await iscep(["call", "--detach", "exits"], options)).stdout.trim();
    await iscep(["runs", "attach", failed], options);
    await before.stop();
    const after = await serve([], { folder });
    expect(await iscep(["runs", "attach", run], options)).toEqual({
      code: 0,
      signal: null,
      stdout: "first\nsecond\nvalue\n",
      stderr: "aside\n",
    });
    expect(await iscep(["runs", "attach", failed], options)).toMatchObject({ code: 3, stdout: "out", stderr: "err" });
    expect((await iscep(["runs", "show", failed], options)).stdout).toContain("status    failed (exit code 3)\n");
    await after.stop();
  });

  test("show tells what is known of one", async () => {
    const { runs, ran } = await served();
    const run = await ran("say", { text: "hello" });
    const { stdout } = await runs("show", run);
    expect(stdout.replace(/[\d-]{10} [\d:]{8}/g, "TIME").replace(/[\d.]+ m?s\n/, "TIME\n")).toBe(
      `run       ${run}\ncommand   say\nowner     anonymous\nstatus    completed\nstarted   TIME\nended     TIME\n` +
        `duration  TIME\noutput    5 B\n`,
    );
    expect(JSON.parse((await runs("show", run, "--json")).stdout)).toMatchObject({ run, outputBytes: 5 });
  });

  test("attach replays the output from an offset, and ends with the exit code of the run", async () => {
    const { runs, ran } = await served();
    const said = await ran("say", { text: "hello" });
    expect(await runs("attach", said)).toEqual({ code: 0, signal: null, stdout: "hello", stderr: "" });
    expect((await runs("attach", said, "--offset", "3")).stdout).toBe("lo");
    expect((await runs("attach", said, "--json")).stdout).toBe("null\n");
    expect(await runs("attach", said, "--offset", "6")).toMatchObject({ code: 65, stdout: "" });
    expect(await runs("attach", await ran("exits"))).toMatchObject({ code: 3, stdout: "out", stderr: "err" });
    expect((await runs("attach", await ran("dies"))).code).toBe(137);
  });

  test("Ctrl-C ends the watching, and not the run; cancel ends the run", async () => {
    const { url, runs, options } = await served();
    await using client = await connect(url);
    const run = client.run("forever", {});
    const id = await run.id;
    const watcher = startIscep(["runs", "attach", id], options);
    const end = ended(watcher);
    expect(await firstLine(watcher)).toBe("ready");
    watcher.kill("SIGINT");
    const left = await end;
    expect(left.code).toBe(130);
    expect(left.stderr).toContain("stopped watching the run");
    // A slow machine may need all of that time to connect, and then nothing is shown.
    const late = await runs("attach", id, "--timeout", "100ms");
    expect(late.code).toBe(124);
    expect(["ready\n", ""]).toContain(late.stdout);
    expect(JSON.parse((await runs("show", id, "--json")).stdout)).toMatchObject({ status: "running" });
    const cancelled = await runs("cancel", id);
    expect(cancelled).toMatchObject({ code: 0, stdout: "" });
    expect(cancelled.stderr).toContain(`\`iscep runs show ${id}\` tells how it ends`);
    expect((await run.outcome).status).toBe("cancelled");
    expect((await runs("cancel", id, "--json")).stdout).toBe(`{"run":"${id}"}\n`);
  });

  test("a reader that goes away ends the watching", async () => {
    const { url, options } = await served();
    await using client = await connect(url);
    const run = client.run("forever", {});
    const watcher = startProcess(["runs", "attach", await run.id], options);
    const end = ended(watcher);
    watcher.stdout.destroy();
    expect(await end).toMatchObject({ code: 0, stderr: "" });
    run.cancel();
  });

  test.each<[string, string[], number, string]>([
    ["a run that is not there", ["show", "nope"], 77, "There is no such run"],
    ["attach to a run that is not there", ["attach", "nope"], 77, "There is no such run"],
    ["cancel a run that is not there", ["cancel", "nope"], 77, "There is no such run"],
    ["no run", ["show"], 64, "missing required argument 'run'"],
    ["a verb that is none", ["atach", "nope"], 64, 'unknown verb "atach"; did you mean "attach"?'],
    ["an option that is none", ["--limt", "1"], 64, "did you mean --limit?"],
    ["an offset that is none", ["attach", "nope", "--offset", "-1"], 64, "whole number"],
  ])("%s", async (_, words, code, sentence) => {
    const { runs } = await served();
    const result = await runs(...words);
    expect(result).toMatchObject({ code, stdout: "" });
    expect(result.stderr).toContain(sentence);
  });

  test("needs version 2, and says so", async () => {
    const { options } = await served();
    const result = await iscep(["runs", "--protocol", "1"], options);
    expect(result.code).toBe(76);
    expect(result.stderr).toContain("needs version 2");
  });
});

test.each([
  [-5, "0 ms"],
  [999, "999 ms"],
  [1_000, "1.0 s"],
  [59_999, "59.9 s"],
  [60_000, "1m 00s"],
  [3_599_999, "59m 59s"],
  [90_061_000, "25h 01m"],
])("a duration of %i ms is %s", (ms, text) => {
  expect(durationText(ms)).toBe(text);
});

test.each([
  [0, "0 B"],
  [1_023, "1023 B"],
  [1_024, "1.0 KiB"],
  [1024 * 1024 - 1, "1.0 MiB"],
  [5 * 1024 ** 3, "5.0 GiB"],
])("%i bytes are %s", (bytes, text) => {
  expect(bytesText(bytes)).toBe(text);
});

test("runs of every owner are listed with --all, and filtered", async () => {
  const folder = temporaryFolder();
  const server = new Server({
    commands: [
      defineCommand({
        name: "say",
        args: declareArguments({}),
        run: (_, { output }) => void output.write("stdout", "x"),
      }),
    ],
    unix: join(folder, "s.sock"),
  });
  onTestFinished(() => server.close({ graceMs: 0 }));
  const environment = { ISCEP_URL: (await server.listen()).url };
  await iscep(["call", "say"], { folder, environment });
  const listed = await iscep(["runs", "--all", "--since", "1h", "--status", "completed"], { folder, environment });
  expect(listed.stdout.split("\n")[0]).toMatch(/^RUN +COMMAND +OWNER +STATUS/);
  expect(listed.stdout).toMatch(/ say +anonymous +completed /);
  const none = await iscep(["runs", "--command", "other"], { folder, environment });
  expect(none).toMatchObject({ code: 0, stdout: "", stderr: "the server knows of no such run of this caller\n" });
  expect(await iscep(["runs", "--since", "soon"], { folder, environment })).toMatchObject({ code: 64 });
});
