/** What a program does wrong with its client harms the call that it belongs to, and no other. */
import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { defineCommand } from "iscep";
import { watchForLeaks } from "../../support/leaks.js";
import { later } from "../../support/cleanup.js";
import { echoTask, gate } from "../../support/commands.js";
import { errorOf } from "../../support/error-of.js";
import { startServer, tokens } from "../../support/servers.js";

watchForLeaks();

/** What nobody catches in this process until the test ends. */
function uncaughtErrors(): unknown[] {
  const uncaught: unknown[] = [];
  const catchIt = (error: unknown): void => void uncaught.push(error);
  const others = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", catchIt);
  later(() => {
    process.off("uncaughtException", catchIt);
    for (const other of others) process.on("uncaughtException", other);
  });
  return uncaught;
}

test("a listener that throws is reported to its author, and disturbs no call", async () => {
  const slow = gate();
  const tells = defineCommand({
    name: "tells",
    run: (_args, { progress }) => {
      progress(0.5, "half");
      return 1;
    },
  });
  const server = await startServer({ commands: [slow.command, tells] });
  const client = await server.client();
  const broken: unknown[] = [];
  client.on("reconnecting", (reason) => broken.push(reason));
  const other = client.call("gate", {});
  await slow.started(1);
  const uncaught = uncaughtErrors();
  const heard: number[] = [];
  const run = client.run("tells", {});
  run.onProgress(() => {
    throw new TypeError("a fault of the listener");
  });
  run.onProgress((fraction) => heard.push(fraction));
  expect(await run.outcome).toMatchObject({ status: "completed" });
  // The last progress comes before the outcome.
  expect(heard).toEqual([0.5]);
  slow.open();
  expect(await other).toBe("through");
  expect(uncaught).toMatchObject([{ message: "a fault of the listener" }]);
  expect(broken).toEqual([]);
});

test.each([1, 2] as const)("over version %i, a wrong timeout is an outcome of run() and attach()", async (protocol) => {
  const server = await startServer({ commands: [echoTask] });
  const client = await server.client({ protocol });
  const stdin = new Readable({ read() {} });
  const wrong = { status: "rejected", error: { code: protocol === 1 ? "protocol" : "usage" } };
  const run = client.run("echo_task", { message: "" }, { timeoutMs: -1, stdin });
  expect(await run.outcome).toMatchObject(wrong);
  expect(stdin.destroyed).toBe(true);
  expect(await client.attach("a-run", { timeoutMs: Number.NaN }).outcome).toMatchObject(wrong);
});

test.each([1, 2] as const)("over version %i, any number of calls may have one signal", async (protocol) => {
  const warnings: Error[] = [];
  const warned = (warning: Error): void => void warnings.push(warning);
  process.on("warning", warned);
  later(() => void process.off("warning", warned));
  const server = await startServer({ commands: [echoTask] });
  const client = await server.client({ protocol });
  const { signal } = new AbortController();
  const calls = Array.from({ length: 12 }, () => client.call("echo_task", { message: "a" }, { signal }));
  const runs = Array.from({ length: 12 }, () => client.run("echo_task", { message: "a" }, { signal }).value);
  expect(new Set(await Promise.all([...calls, ...runs]))).toEqual(new Set(["echo a"]));
  // Warnings come a turn later.
  await new Promise<void>((resolve) => setImmediate(resolve));
  expect(warnings).toEqual([]);
});

test("a closed client opens no connection for a token that it had not used before", async () => {
  const server = await startServer({ commands: [echoTask] });
  const client = await server.client();
  await client.close();
  const error = await errorOf(client.call("echo_task", { message: "a" }, { token: tokens.bob }));
  expect(error.code).toBe("closed");
});

test.each([1, 2] as const)(
  "over version %i, a signal of another library than Node stops its call",
  async (protocol) => {
    const slow = gate();
    const server = await startServer({ commands: [echoTask, slow.command] });
    const client = await server.client({ protocol });
    let abort = (): void => {};
    const signal = {
      aborted: false,
      reason: undefined,
      addEventListener: (_type: string, listener: () => void) => (abort = listener),
      removeEventListener() {},
    } as unknown as AbortSignal;
    expect(await client.call("echo_task", { message: "a" }, { signal })).toBe("echo a");
    const stopped = errorOf(client.call("gate", {}, { signal }));
    await slow.started(1);
    abort();
    expect((await stopped).code).toBe("cancelled");
    slow.open();
  },
);

test("a source of standard input that throws when it is closed harms neither its run nor another one", async () => {
  const slow = gate();
  const reads = defineCommand({ name: "reads", stdin: true, run: () => 1 });
  const server = await startServer({ commands: [reads, slow.command] });
  const client = await server.client();
  const broken: unknown[] = [];
  client.on("reconnecting", (reason) => broken.push(reason));
  const other = client.call("gate", {});
  await slow.started(1);
  const chunks = {
    next: () => new Promise<never>(() => {}),
    return: () => {
      throw new TypeError("a fault of the source");
    },
  };
  const stdin = { [Symbol.asyncIterator]: () => chunks as unknown as AsyncIterator<string> };
  expect(await client.run("reads", {}, { stdin }).outcome).toMatchObject({ status: "completed", value: 1 });
  const read = new ReadableStream<Uint8Array>();
  read.getReader();
  expect(await client.run("reads", {}, { stdin: read }).outcome).toMatchObject({ status: "rejected" });
  slow.open();
  expect(await other).toBe("through");
  expect(broken).toEqual([]);
});
