/** The examples say themselves when something is wrong: each asserts what it shows, and then exits with another code than 0. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectNet } from "node:net";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterAll, expect, test } from "vitest";
import { runToEnd } from "../../examples/support/service.js";

const root = process.cwd();
const state = mkdtempSync(path.join(os.tmpdir(), "iscep-examples-"));
const environment = { ...process.env, ISCEP_STATE_DIR: state };

afterAll(() => rmSync(state, { recursive: true, force: true }));

test("the server and the client call each other as they stand there", async () => {
  const server = spawn(process.execPath, ["examples/server.js"], {
    env: { ...environment, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(server, "close");
  try {
    const [line] = (await once(createInterface({ input: server.stdout }), "line")) as [string];
    const ISCEP_URL = line.replace("listening on ", "");
    const said = await runToEnd(["examples/client.js"], root, { ...environment, ISCEP_URL });
    expect(said).toContain("greet");
    expect(said).toMatch(/all calls were answered as expected\n$/);
  } finally {
    server.kill("SIGTERM");
  }
  expect(await ended).toEqual([0, null]);
});

test("several clients at once each get their own answers", async () => {
  const said = await runToEnd(["examples/several-clients.js"], root, environment);
  expect(said).toBe("10 clients got 200 answers, each its own\n");
});

test("commands in worker threads hold nobody up", async () => {
  const said = await runToEnd(["examples/threads.js"], root, environment);
  expect(said).toMatch(/^a ping took [\d.]+ ms while four threads computed\nall four counted 78,498 primes/);
});

test("a door of one's own answers lines of JSON from a unix socket", async () => {
  const socketPath = path.join(state, "calls.sock");
  const server = spawn(process.execPath, ["examples/json-lines.js", socketPath], {
    env: environment,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(server, "close");
  try {
    const [line] = (await once(createInterface({ input: server.stdout }), "line")) as [string];
    expect(line).toBe(`listening on unix:${socketPath}`);
    const caller = connectNet({ path: socketPath });
    const answers = createInterface({ input: caller })[Symbol.asyncIterator]();
    const said = async (): Promise<unknown> => JSON.parse(((await answers.next()) as { value: string }).value);
    caller.write('{"id":1,"command":"add","args":{"a":1,"b":2}}\n{"id":2,"command":"count_down","args":{"from":2}}\n');
    expect(await said()).toEqual({ id: 1, value: 3 });
    expect(await said()).toEqual({ id: 2, channel: "stdout", text: "2\n" });
    expect(await said()).toEqual({ id: 2, channel: "stdout", text: "1\n" });
    expect(await said()).toEqual({ id: 2, value: "zero" });
    caller.write('{"id":3,"command":"add","args":{"a":"one"}}\n{"id":4,"command":"nobody"}\n{"id":5}\nno JSON\n');
    expect(await said()).toMatchObject({ id: 3, error: { code: "invalid_arguments", http: 422 } });
    expect(await said()).toMatchObject({ id: 4, error: { code: "command_not_found", http: 404 } });
    expect(await said()).toMatchObject({ id: 5, error: { code: "usage", http: 400 } });
    expect(await said()).toMatchObject({ id: null, error: { code: "protocol", http: 400 } });
    // A caller who says more than a line may hold is cut.
    caller.write("x".repeat(70_000));
    await once(caller, "close");
  } finally {
    server.kill("SIGTERM");
  }
  expect(await ended).toEqual([0, null]);
});
