import { createServer, connect as connectTo, type AddressInfo, type Socket } from "node:net";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { connect, declareArguments, defineCommand, defineScript, Server, type Command } from "iscep";
import { loadCommandModule } from "#iscep/commands/load-module";
import { ended, firstLine, iscep, startIscep, type Ended, type RunOptions } from "../support/iscep.js";
import { startProcess } from "../support/iscep-process.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const liveFile = fileURLToPath(new URL("programs/live.mjs", import.meta.url));

interface Served {
  readonly url: string;
  readonly options: RunOptions;
  call(...words: string[]): Promise<Ended>;
}

async function served(...commands: Command[]): Promise<Served> {
  const folder = temporaryFolder();
  const all = [...(await loadCommandModule(liveFile)), ...commands];
  const server = new Server({ commands: all, unix: join(folder, "s.sock") });
  onTestFinished(() => server.close({ graceMs: 0 }));
  const { url } = await server.listen();
  const options = { folder, environment: { ISCEP_URL: url } };
  return { url, options, call: (...words) => iscep(["call", ...words], options) };
}

describe("iscep call over version 2", () => {
  test("shows output while the command runs, and then its value", async () => {
    const { options } = await served();
    const file = join(options.folder, "go on");
    const child = startIscep(["call", "talk", "--file", file], options);
    const end = ended(child);
    expect(await firstLine(child)).toBe("first");
    await writeFile(file, "");
    expect(await end).toEqual({ code: 0, signal: null, stdout: "first\nsecond\nvalue\n", stderr: "aside\n" });
  });

  test("--json prints the value alone", async () => {
    const { options, call } = await served();
    const file = join(options.folder, "go on");
    await writeFile(file, "");
    expect(await call("--json", "talk", "--file", file)).toMatchObject({ code: 0, stdout: '"value"\n', stderr: "" });
    expect(await call("--json", "bytes", "--piece", "7")).toMatchObject({ code: 0, stdout: "null\n", stderr: "" });
  });

  test.each([1, 3, 256])("every byte arrives in a pipe as it was sent, in pieces of %i", async (piece) => {
    const { options } = await served();
    const child = startProcess(["call", "bytes", "--piece", `${piece}`], options);
    const chunks: Buffer[] = [];
    for await (const chunk of child.stdout) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks)).toEqual(Buffer.from(Array.from({ length: 256 }, (_, index) => index)));
  });

  test("a script's output is printed once, and its exit code passed on", async () => {
    const { call } = await served();
    expect(await call("exits")).toEqual({ code: 3, signal: null, stdout: "out", stderr: "err" });
    const json = await call("--json", "exits");
    expect(json).toMatchObject({ code: 3, stderr: "" });
    expect(JSON.parse(json.stdout)).toMatchObject({ exitCode: 3, stdout: "out", stderr: "err", truncated: false });
  });
});

describe("a script", () => {
  test("whose output is its value shows it once, and as the value with --json", async () => {
    const { call } = await served();
    expect(await call("answers")).toMatchObject({ code: 0, stdout: "[1, 2]\n", stderr: "thinking\n" });
    expect(await call("--json", "answers")).toMatchObject({ code: 0, stdout: "[1,2]\n", stderr: "" });
  });

  test("that prints more than an answer holds: all of it, also with --json", async () => {
    const { call } = await served();
    expect((await call("much")).stdout).toBe("x".repeat(1_500_000));
    const { stdout } = JSON.parse((await call("--json", "much")).stdout) as { stdout: string };
    expect(stdout).toBe("x".repeat(1_500_000));
  });

  test("that prints more than it may has failed, and says so, also when it shall be quiet", async () => {
    const { call } = await served();
    const stderr = 'iscep: the script "too_much" printed more than the 5 bytes that it may, and the rest was dropped\n';
    expect(await call("too_much")).toMatchObject({ code: 65, stdout: "12345", stderr });
    expect(await call("--quiet", "too_much")).toMatchObject({ code: 65, stdout: "12345", stderr });
  });

  test("that may be cut completes, and a warning says so, also when it shall be quiet; and so does its record", async () => {
    const { call, options } = await served();
    const stderr = "iscep: warning: the script printed more than it may; the rest of its output was dropped\n";
    expect(await call("cut_short")).toMatchObject({ code: 0, stdout: "12345", stderr });
    expect(await call("--quiet", "cut_short")).toMatchObject({ code: 0, stdout: "12345", stderr });
    const json = await call("--json", "cut_short");
    expect(JSON.parse(json.stdout)).toMatchObject({ stdout: "12345", truncated: true });
    const id = (await call("--detach", "cut_short")).stdout.trim();
    await expect
      .poll(async () => (await iscep(["runs", "show", id], options)).stdout)
      .toContain("5 B (truncated: the rest");
    expect(JSON.parse((await iscep(["runs", "show", id, "--json"], options)).stdout)).toMatchObject({
      truncated: true,
    });
  });
});

describe("how a run ended", () => {
  const refused = defineCommand({
    name: "patient",
    timeoutMs: 100,
    run: (_, { signal }) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", resolve);
      }),
  });

  test.each<[string, string[], number, string]>([
    ["killed: 128 and the signal's number", ["dies"], 137, "iscep: the script was ended by SIGKILL\n"],
    ["timeout of the command", ["patient"], 124, "timeout of 100 ms"],
    // Where the machine is slow, it is the connection that takes too long, and the number is what was left for it.
    ["timeout of the caller", ["--timeout", "200ms", "forever"], 124, " ms"],
    ["rejected: no such command", ["forevr"], 77, "did you mean forever?"],
    ["rejected: arguments", ["talk"], 65, "`iscep call talk --help` shows the arguments"],
  ])("%s", async (_, words, code, sentence) => {
    const { call } = await served(refused);
    const result = await call(...words);
    expect(result.code).toBe(code);
    expect(result.stderr).toContain(sentence);
    const json = await call("--json", ...words);
    expect(json).toMatchObject({ code, stderr: "" });
    expect(json.stdout.match(/\n/g)).toHaveLength(1);
    expect(JSON.parse(json.stdout)).toBeTypeOf("object");
  });

  test("cancelled by somebody else: 130", async () => {
    const { url, options } = await served();
    const child = startIscep(["call", "forever"], options);
    const end = ended(child);
    await firstLine(child);
    await using other = await connect(url);
    const [run] = (await other.runs()).runs;
    await other.cancel(run?.run ?? "");
    expect(await end).toMatchObject({ code: 130, stdout: "ready\n" });
  });

  test("lost, when the connection broke as the call was sent: never success", async () => {
    const proxy = await proxied((chunk, cut) => {
      if (!chunk.includes('"method":"call"')) return true;
      cut();
      return false;
    });
    const result = await iscep(["call", "--url", proxy.url, "forever"], { folder: temporaryFolder() });
    expect(result).toMatchObject({ code: 76, stdout: "" });
    expect(result.stderr).toContain("`iscep runs` shows what the server knows of it");
  });

  test("as if nothing had been, when the connection broke on the way: no byte is lost or doubled", async () => {
    const proxy = await proxied();
    const folder = temporaryFolder();
    const file = join(folder, "go on");
    const child = startIscep(["call", "--url", proxy.url, "talk", "--file", file], { folder });
    const end = ended(child);
    await firstLine(child);
    proxy.cut();
    await writeFile(file, "");
    const { code, stdout, stderr } = await end;
    expect({ code, stdout }).toEqual({ code: 0, stdout: "first\nsecond\nvalue\n" });
    expect(stderr).toContain("iscep: warning: the connection was lost, and is made again: ");
    expect(stderr).toContain("iscep: warning: the connection is there again\n");
  });
});

/** A server behind a proxy that can cut what is connected; `passes` sees what clients send. */
async function proxied(passes: (chunk: Buffer, cut: () => void) => boolean = () => true) {
  const server = new Server({ commands: await loadCommandModule(liveFile), port: 0, tls: false });
  onTestFinished(() => server.close({ graceMs: 0 }));
  const { url } = await server.listen();
  const upstreamPort = Number(new URL(url.replace("iscep+tcp", "http")).port);
  const sockets = new Set<Socket>();
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const proxy = createServer((socket) => {
    const upstream = connectTo(upstreamPort, "127.0.0.1");
    for (const [side, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      sockets.add(side);
      side.on("error", () => {});
      side.on("close", () => {
        sockets.delete(side);
        other.destroy();
      });
    }
    upstream.pipe(socket);
    socket.on("data", (chunk: Buffer) => {
      if (passes(chunk, cut)) upstream.write(chunk);
    });
  }).listen(0, "127.0.0.1");
  onTestFinished(() => {
    cut();
    proxy.close();
  });
  await new Promise((resolve) => proxy.once("listening", resolve));
  return { url: `iscep+tcp://127.0.0.1:${(proxy.address() as AddressInfo).port}`, cut };
}

/** Writes as much as it is let, and says when it was held back. */
function flood(totalBytes: number) {
  const state = { written: 0, aborted: false, heldBack: withResolvers() };
  const command = defineCommand({
    name: "flood",
    description: "Writes much",
    args: declareArguments({}),
    run: async (_, { output, signal }) => {
      signal.addEventListener("abort", () => (state.aborted = true));
      const line = `${"x".repeat(999)}\n`;
      while (state.written < totalBytes && !signal.aborted) {
        const waiting = output.write("stdout", line);
        state.written += line.length;
        if (waiting === undefined) continue;
        // More than the pipe to a reader holds, and less than that and the windows together.
        if (state.written > 500_000) state.heldBack.resolve();
        await waiting;
      }
    },
  });
  return { command, state };
}

describe("who reads the output", () => {
  test("slowly holds the command back, and gets all of it", async () => {
    const { command, state } = flood(16_000_000);
    const { url, options } = await served(command);
    const child = startProcess(["call", "flood"], options);
    await using other = await connect(url);
    await state.heldBack.promise;
    for (let trip = 0; trip < 100; trip++) await other.ping();
    expect(state.written).toBeLessThan(4_000_000);
    let bytes = 0;
    child.stdout.on("data", (chunk: Buffer) => (bytes += chunk.length));
    const [code] = await new Promise<unknown[]>((resolve) => child.on("close", (...how) => resolve(how)));
    expect({ code, bytes }).toEqual({ code: 0, bytes: 16_000_000 });
  });

  test("and goes away ends the run, without a complaint, as SIGPIPE would end a program", async () => {
    const { options } = await served(defineScript({ name: "endless", run: ["yes"] }));
    const child = startProcess(["call", "endless"], options);
    const end = ended(child);
    child.stdout.once("data", () => child.stdout.destroy());
    expect(await end).toMatchObject({ code: 141, stderr: "" });
    expect(JSON.parse((await iscep(["runs", "--json"], options)).stdout)).toMatchObject([{ status: "cancelled" }]);
  });

  test("and goes away leaves the run alone, and no complaint, where it shall keep running", async () => {
    const { command, state } = flood(16_000_000);
    const { options } = await served(command);
    const child = startProcess(["call", "--keep-running", "flood"], options);
    const end = ended(child);
    child.stdout.once("data", () => child.stdout.destroy());
    expect(await end).toMatchObject({ code: 0, stderr: "" });
    expect(state).toMatchObject({ written: 16_000_000, aborted: false });
  });
});

describe("Ctrl-C", () => {
  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s cancels the run, waits for its end, and ends with %i", async (signal, code) => {
    const { options } = await served();
    const child = startProcess(["call", "forever"], options);
    const end = ended(child);
    await firstLine(child);
    child.kill(signal);
    const result = await end;
    expect(result).toMatchObject({ code, stdout: "ready\n" });
    expect(result.stderr).toBe("iscep: cancelling the run; once more leaves at once\niscep: the call was cancelled\n");
  });

  test("twice leaves at once, also when nobody reads the output", async () => {
    const { command, state } = flood(1_000_000_000);
    const { options } = await served(command);
    const child = startProcess(["call", "flood"], options);
    const said = new Promise((resolve) => child.stderr.once("data", resolve));
    const exit = new Promise((resolve) => child.once("exit", resolve));
    await state.heldBack.promise;
    child.kill("SIGINT");
    await said;
    child.kill("SIGINT");
    expect(await exit).toBe(130);
    // The system may tell of the end of a process before it gives what that process has sent.
    await expect.poll(() => state.aborted).toBe(true);
  });
});

describe("--detach and --idempotency-key", () => {
  test("--detach prints the id of the run, which goes on; attach gives its output and outcome", async () => {
    const { options, call } = await served();
    const file = join(options.folder, "go on");
    const detached = await call("--detach", "talk", "--file", file);
    expect(detached).toMatchObject({ code: 0, stderr: "" });
    expect(detached.stdout).toMatch(/^[0-9a-f-]{36}\n$/);
    const run = detached.stdout.trim();
    const child = startIscep(["runs", "attach", run], options);
    const end = ended(child);
    expect(await firstLine(child)).toBe("first");
    await writeFile(file, "");
    expect(await end).toEqual({ code: 0, signal: null, stdout: "first\nsecond\nvalue\n", stderr: "aside\n" });
    const json = await call("--detach", "--json", "talk", "--file", file);
    expect(JSON.parse(json.stdout)).toEqual({ run: expect.stringMatching(/^[0-9a-f-]{36}$/) as string });
    expect(await call("--detach", "talk")).toMatchObject({ code: 65, stdout: "" });
  });

  test("two calls with one key are one run", async () => {
    let runs = 0;
    const count = defineCommand({ name: "count", run: () => ++runs });
    const { call } = await served(count);
    expect((await call("--idempotency-key", "a", "count")).stdout).toBe("1\n");
    expect((await call("--idempotency-key", "a", "count")).stdout).toBe("1\n");
    expect((await call("--idempotency-key", "b", "count")).stdout).toBe("2\n");
  });

  test.each([["--detach"], ["--stdin"], ["--idempotency-key=a"]])("%s says that it needs version 2", async (option) => {
    const { options } = await served();
    const result = await iscep(["call", "--protocol", "1", option, "exits"], options);
    expect(result).toMatchObject({ code: 76, stdout: "" });
    expect(result.stderr).toContain(`${option.replace(/=.*/, "")} needs version 2 of the protocol`);
  });
});

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
