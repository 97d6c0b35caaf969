/** A path that was good at the call may be good no more when its run begins: a queue may lie between the two. */
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { declareArguments, defineCommand, defineScript, type Client, type Command } from "iscep";
import { watchForLeaks } from "../support/leaks.js";
import { startServer } from "../support/servers.js";

watchForLeaks();

let folder: string;
beforeAll(() => {
  folder = realpathSync(mkdtempSync(path.join(tmpdir(), "iscep-queued-")));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Waits until the caller ends its standard input, which becomes the file. */
const writing = ["sh", "write.sh", "{p}"] as const;
const concurrency = { limit: 1, whenFull: "queue" } as const;

/** A run that goes on until `end`, and one more of the same command that waits behind it. */
async function queued(client: Client, command: string, first: object, second: object) {
  let end = (): void => {};
  const held = new Promise<void>((resolve) => (end = resolve));
  async function* input() {
    yield "first";
    await held;
  }
  const running = client.run(command, first, { stdin: input() });
  await running.output[Symbol.asyncIterator]().next();
  const waiting = client.run(command, second);
  await new Promise<void>((resolve) => waiting.onQueued(() => resolve()));
  return { end, running, waiting };
}

async function clientOf(command: Command): Promise<Client> {
  return (await startServer({ commands: [command], limits: { queuePositionIntervalMs: 10 } })).client({ protocol: 2 });
}

function script(name: string, presence: "new" | "existing"): Command {
  mkdirSync(path.join(folder, name));
  const text =
    presence === "new" ? 'echo begun; all=$(cat); printf %s "$all" > "$1"\n' : 'echo begun; cat >&2; cat "$1"\n';
  writeFileSync(path.join(folder, "write.sh"), text);
  return defineScript({
    name,
    run: writing,
    args: { p: { type: "path", base: name, presence } },
    concurrency,
    folder,
  });
}

describe("when the run of a script begins after its turn came,", () => {
  test("a path where nothing may be yet is refused, if the run before it has made something there", async () => {
    const client = await clientOf(script("save", "new"));
    const { end, running, waiting } = await queued(client, "save", { p: "n1" }, { p: "n1" });
    end();
    expect((await running.outcome).status).toBe("completed");
    expect(await waiting.outcome).toMatchObject({
      status: "rejected",
      error: {
        code: "invalid_arguments",
        message: expect.stringMatching(/argument "p".*where nothing is yet/) as string,
      },
    });
    expect(readFileSync(path.join(folder, "save", "n1"), "utf8")).toBe("first");
  });

  test.each([
    ["out of its folder", "../outside"],
    ["to another file of its folder", "b.txt"],
  ])("a file that has become a link %s is not read", async (_, target) => {
    const name = `read-${target.replaceAll(/\W/g, "")}`;
    const client = await clientOf(script(name, "existing"));
    writeFileSync(path.join(folder, "outside"), "canary");
    for (const file of ["a.txt", "b.txt"]) writeFileSync(path.join(folder, name, file), file);
    const { end, waiting } = await queued(client, name, { p: "b.txt" }, { p: "a.txt" });
    rmSync(path.join(folder, name, "a.txt"));
    symlinkSync(target, path.join(folder, name, "a.txt"));
    end();
    const outcome = await waiting.outcome;
    expect(outcome).toMatchObject({ status: "rejected", error: { code: "invalid_arguments" } });
    expect(JSON.stringify(outcome)).not.toMatch(/canary|outside/);
  });

  test("a path that has not changed is read", async () => {
    const client = await clientOf(script("calm", "existing"));
    writeFileSync(path.join(folder, "calm", "a.txt"), "calm");
    const { end, waiting } = await queued(client, "calm", { p: "a.txt" }, { p: "a.txt" });
    end();
    expect(await waiting.value).toMatchObject({ stdout: "begun\ncalm" });
  });
});

test("so it is with a function, each path of a list looked at", async () => {
  mkdirSync(path.join(folder, "lists"));
  const began: unknown[] = [];
  const command = defineCommand({
    name: "lists",
    args: declareArguments(
      { files: { type: "list", items: { type: "path", base: "lists", presence: "new" } } },
      { folder },
    ),
    concurrency,
    async run({ files }, { output, stdin }) {
      began.push(files);
      await output.write("stdout", "begun");
      for await (const bytes of stdin) expect(Buffer.from(bytes).toString()).toBe("first");
      for (const file of files) writeFileSync(file, "");
    },
  });
  const { end, running, waiting } = await queued(
    await clientOf(command),
    "lists",
    { files: ["a"] },
    { files: ["b", "a"] },
  );
  end();
  expect((await running.outcome).status).toBe("completed");
  expect(await waiting.outcome).toMatchObject({ status: "rejected", error: { code: "invalid_arguments" } });
  expect(began).toHaveLength(1);
});

describe("two calls at once that make the same new path", () => {
  test("do not both run, whatever their commands; when the first has ended, the next may", async () => {
    const making = (name: string): Command =>
      defineScript({
        name,
        run: ["sh", "make.sh", "{paths}"],
        args: { paths: { type: "list", items: { type: "path", base: "both", presence: "new" } } },
        folder,
      });
    mkdirSync(path.join(folder, "both"));
    writeFileSync(
      path.join(folder, "make.sh"),
      'echo begun; cat > /dev/null; test "$1" = "$PWD/both/fails" || touch "$@"\n',
    );
    const server = await startServer({ commands: [making("one"), making("other")] });
    const client = await server.client({ protocol: 2 });
    let end = (): void => {};
    const held = new Promise<void>((resolve) => (end = resolve));
    async function* input() {
      yield "";
      await held;
    }
    const first = client.run("one", { paths: ["fails", "a"] }, { stdin: input() });
    // It has its id before its paths are looked at.
    for await (const { channel } of first.output) if (channel === "stdout") break;
    const others = ["one", "other"].map((name) => client.run(name, { paths: ["b", "a"] }).outcome);
    for (const outcome of await Promise.all(others))
      expect(outcome).toMatchObject({ status: "rejected", error: { code: "busy" } });
    // It took none of its paths.
    expect(await client.run("other", { paths: ["b"] }).outcome).toMatchObject({ status: "completed" });
    end();
    expect((await first.outcome).status).toBe("completed");
    expect(await client.run("other", { paths: ["a"] }).outcome).toMatchObject({ status: "completed" });
    expect(await client.run("one", { paths: ["a"] }).outcome).toMatchObject({ error: { code: "invalid_arguments" } });
  });

  test("many at once: one runs", async () => {
    mkdirSync(path.join(folder, "many"));
    writeFileSync(path.join(folder, "line.sh"), 'sleep 0.1; echo line >> "$1"\n');
    const command = defineScript({
      name: "line",
      run: ["sh", "line.sh", "{p}"],
      args: { p: { type: "path", base: "many", presence: "new" } },
      folder,
    });
    const client = await (await startServer({ commands: [command] })).client({ protocol: 2 });
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => client.run("line", { p: "it" }).outcome));
    expect(outcomes.filter(({ status }) => status === "completed")).toHaveLength(1);
    expect(readFileSync(path.join(folder, "many", "it"), "utf8")).toBe("line\n");
  });
});
