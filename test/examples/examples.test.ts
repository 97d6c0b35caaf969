/** The examples say themselves when something is wrong: each asserts what it shows, and then exits with another code than 0. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
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
  expect(said).toMatch(/^a ping took [\d.]+ ms while four threads computed\nall four counted 148,933 primes/);
});
