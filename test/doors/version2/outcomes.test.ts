import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { connect, defineCommand, defineScript } from "iscep";
import { watchForLeaks } from "../../support/leaks.js";
import { later } from "../../support/cleanup.js";
import { gate, originalTasks } from "../../support/commands.js";
import { ownPort } from "../../support/own-port.js";
import { startServer } from "../../support/servers.js";
import { collect } from "../../support/output.js";
import * as threadCommands from "./modules/thread-commands.mjs";
import { errorOf } from "../../support/error-of.js";

watchForLeaks();

const node = process.execPath;
const script = (name: string, code: string) =>
  defineScript({ name, description: "", run: [node, "-e", code], folder: import.meta.dirname });

/** The server that closes lets a thread load its modules for `lingerTimeoutMs` too: Node would never close what that was reading. */
const stopsThreads = { killGraceMs: 500, lingerTimeoutMs: 20_000 };

async function open(commands: NonNullable<Parameters<typeof startServer>[0]>["commands"], limits = {}) {
  const server = await startServer({ commands: commands ?? [], limits });
  return { server, client: await server.client({ protocol: 2 }) };
}

describe("a run ends with exactly one outcome:", () => {
  test("completed", async () => {
    const { client } = await open(originalTasks);
    const run = client.run("add", { a: 1, b: 2 });
    expect(await run.outcome).toEqual({ status: "completed", value: 3 });
    expect(await run.value).toBe(3);
    expect(await run.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect((await collect(run)).all).toHaveLength(0);
  });

  test("completed, by a script", async () => {
    const { client } = await open([script("good", "console.log('ok')")]);
    const run = client.run("good", {});
    expect(await run.outcome).toMatchObject({ status: "completed", exitCode: 0, value: { stdout: "ok\n" } });
  });

  test("failed, by a function and by an exit code", async () => {
    const { client } = await open([...originalTasks, script("bad", "process.exit(7)")]);
    const thrown = client.run("fail", { message: "x" });
    expect(await thrown.outcome).toMatchObject({ status: "failed", error: { code: "failed" } });
    expect(await errorOf(thrown.value)).toMatchObject({ code: "failed" });
    expect(await client.run("bad", {}).outcome).toMatchObject({
      status: "failed",
      exitCode: 7,
      value: { exitCode: 7 },
    });
  });

  test("killed, when a command leaves its thread and when a signal ends its process", async () => {
    const { client } = await open([threadCommands.leave, script("shot", "process.kill(process.pid, 'SIGKILL')")]);
    const left = client.run("leave", {});
    expect(await left.outcome).toMatchObject({ status: "killed", error: { code: "killed" } });
    expect(await errorOf(left.value)).toMatchObject({ code: "killed" });
    expect(await errorOf(client.call("leave", {}))).toMatchObject({ code: "killed" });
    expect(await client.run("shot", {}).outcome).toMatchObject({ status: "killed", signal: "SIGKILL" });
  });

  test("timeout, by the patience of the call alone", async () => {
    const slow = gate();
    const { client } = await open([slow.command, threadCommands.spin], stopsThreads);
    const error = await errorOf(client.call("gate", {}, { timeoutMs: 60 }));
    expect(error).toMatchObject({ code: "timeout", message: expect.stringContaining("60 ms") });
    const run = client.run("gate", {}, { timeoutMs: 60 });
    expect(await run.outcome).toMatchObject({ status: "timeout", error: { code: "timeout" } });
    expect(slow.state.aborted).toBe(2);
    expect(await client.run("spin", {}, { timeoutMs: 300 }).outcome).toMatchObject({ status: "timeout" });
  });

  test("cancelled, by an AbortSignal", async () => {
    const slow = gate();
    const { client } = await open([slow.command, threadCommands.spin]);
    const [first, second] = [new AbortController(), new AbortController()];
    const call = errorOf(client.call("gate", {}, { signal: first.signal }));
    const run = client.run("gate", {}, { signal: second.signal });
    await slow.started(2);
    const reason = new Error("no longer wanted");
    first.abort(reason);
    expect(await call).toMatchObject({ code: "cancelled", cause: reason });
    await client.ping();
    expect(slow.state.aborted).toBe(1);
    second.abort();
    expect(await run.outcome).toMatchObject({ status: "cancelled" });
    expect(slow.state).toMatchObject({ aborted: 2, ended: 0 });
  });

  test("cancelled, by run.cancel() and by its id, in a thread that never looks up too", async () => {
    const slow = gate();
    const { client, server } = await open([slow.command, threadCommands.spin], stopsThreads);
    const run = client.run("gate", {});
    await slow.started(1);
    run.cancel();
    expect(await run.outcome).toMatchObject({ status: "cancelled", error: { code: "cancelled" } });
    const spinning = client.run("spin", {});
    const other = await server.client({ protocol: 2 });
    await other.cancel(await spinning.id);
    expect(await spinning.outcome).toMatchObject({ status: "cancelled" });
  });

  test("cancelled, and not run at all, when its signal was aborted before", async () => {
    const slow = gate();
    const { client } = await open([slow.command]);
    const run = client.run("gate", {}, { signal: AbortSignal.abort() });
    expect(await run.outcome).toMatchObject({ status: "cancelled" });
    expect(await errorOf(client.call("gate", {}, { signal: AbortSignal.abort() }))).toMatchObject({
      code: "cancelled",
    });
    await client.ping();
    expect(slow.state.started).toBe(0);
  });

  test("rejected, and why", async () => {
    const slow = gate();
    const { client } = await open([...originalTasks, slow.command], { maxRuns: 1, maxQueuedRuns: 0 });
    const run = client.run("add", { a: "x", b: 1 });
    expect(await run.outcome).toMatchObject({ status: "rejected", error: { code: "invalid_arguments" } });
    expect(await errorOf(run.id)).toMatchObject({ code: "invalid_arguments" });
    expect((await collect(run)).all).toHaveLength(0);
    expect(await client.run("nothing", {}).outcome).toMatchObject({
      status: "rejected",
      error: { code: "command_not_found" },
    });
    const first = client.run("gate", {});
    await slow.started(1);
    expect(await client.run("gate", {}).outcome).toMatchObject({ status: "rejected", error: { code: "busy" } });
    slow.open();
    expect(await first.outcome).toMatchObject({ status: "completed" });
  });

  test("lost, when the server is killed", async () => {
    // Nobody else listens there once the server is gone.
    const port = String(await ownPort());
    const child = spawn(node, [fileURLToPath(new URL("programs/serve.mjs", import.meta.url)), port], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exited = once(child, "exit");
    later(async () => {
      child.kill("SIGKILL");
      await exited;
    });
    const lines = createInterface({ input: child.stdout });
    const [url] = (await once(lines, "line")) as [string];
    const client = await connect(url, { protocol: 2, limits: { reconnectTimeoutMs: 200, reconnectMaxDelayMs: 50 } });
    later(() => client.close());
    const run = client.run("wait", {});
    const call = errorOf(client.call("wait", {}));
    await run.id;
    await client.ping();
    child.kill("SIGKILL");
    await exited;
    expect(await run.outcome).toMatchObject({ status: "lost", error: { code: "lost" } });
    expect(await errorOf(collect(run))).toMatchObject({ code: "lost" });
    expect(await call).toMatchObject({ code: "lost" });
    expect(await errorOf(client.call("wait", {}))).toMatchObject({ code: "connect_failed" });
    lines.close();
  });

  test("lost, when the client is closed meanwhile", async () => {
    const slow = gate();
    const { client } = await open([slow.command], { callerGraceMs: 50 });
    const run = client.run("gate", {});
    await run.id;
    await client.close();
    expect(await run.outcome).toMatchObject({ status: "lost" });
    expect(await errorOf(client.call("gate", {}))).toMatchObject({ code: "closed" });
    await expect.poll(() => slow.state.aborted).toBe(1);
  });

  test("cancelled, when the server closes and the run does not end within its grace", async () => {
    const slow = gate();
    const { client, server } = await open([slow.command]);
    const run = client.run("gate", {});
    await run.id;
    await server.server.close({ graceMs: 30 });
    expect(await run.outcome).toMatchObject({ status: "cancelled" });
  });
});

test("a value that JSON cannot hold fails its own call alone", async () => {
  const round: Record<string, unknown> = {};
  round["self"] = round;
  const loop = defineCommand({ name: "loop", run: () => round });
  const { client } = await open([...originalTasks, loop]);
  const run = client.run("loop", {});
  expect(await run.outcome).toMatchObject({ status: "failed" });
  expect(await client.call("noargs", {})).toBe("ok");
  await sleep(0);
});
