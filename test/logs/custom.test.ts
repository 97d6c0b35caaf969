import { spawnSync } from "node:child_process";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { connect, declareArguments, defineCommand, Server, type ErrorEvent, type Logs } from "iscep";

const boom = defineCommand({
  name: "boom",
  args: declareArguments({ password: { type: "secret" } }),
  run: ({ password }) => {
    throw new TypeError(`no login with ${password}`, { cause: new Error(password) });
  },
});

const fine = defineCommand({ name: "fine", run: () => "fine" });

async function serverWith(logs: Logs): Promise<string> {
  const server = new Server({ commands: [boom, fine], port: 0, tls: false, logs });
  onTestFinished(() => server.close({ graceMs: 0 }));
  return (await server.listen()).url;
}

function warnings(): string[] {
  const told: string[] = [];
  const listener = vi.spyOn(process, "emitWarning").mockImplementation((warning) => void told.push(String(warning)));
  onTestFinished(() => listener.mockRestore());
  return told;
}

/** As a program in JavaScript writes them, to which no types apply. */
function untyped(fault: () => unknown): Logs {
  const members: unknown = { access: fault, error: fault, command: fault, close: async () => fault() };
  return members as Logs;
}

const badLogs: readonly (readonly [how: string, fault: () => unknown])[] = [
  [
    "throw",
    () => {
      throw new Error("the database is gone");
    },
  ],
  ["reject", () => Promise.reject(new Error("the database is gone"))],
];

describe("logs of a user's own", () => {
  test.each(badLogs)("that %s end no call and no server, and are told once", async (_how, fault) => {
    const told = warnings();
    const url = await serverWith(untyped(fault));
    await using client = await connect(url);
    await expect(client.call("boom", { password: "a-long-secret" })).rejects.toMatchObject({ code: "failed" });
    expect(await client.call("fine")).toBe("fine");
    expect(told).toEqual([
      expect.stringMatching(/^\w+\(\) of your logs failed; the server goes on: the database is gone$/),
    ]);
  });

  test("get faults without the secrets that the server knows, as files do", async () => {
    const events: ErrorEvent[] = [];
    const url = await serverWith({
      access() {},
      command() {},
      error: (event) => void events.push(event),
      async close() {},
    });
    await using client = await connect(url);
    await expect(client.call("boom", { password: "a-long-secret" })).rejects.toMatchObject({ code: "failed" });
    const [event] = events;
    const error = event?.error instanceof Error ? event.error : new Error("no error");
    expect(event?.message).toBe("no login with ***");
    expect([error.message, error.stack, String(error.cause)].join("\n")).not.toContain("a-long-secret");
  });
});

describe("a server without logs", () => {
  const program = (options: string): string => `
    import { defineCommand, Server } from "iscep";
    const boom = defineCommand({ name: "boom", run: () => { throw new RangeError("out of cheese"); } });
    const fine = defineCommand({ name: "fine", run: () => "fine" });
    const server = new Server({ commands: [boom, fine], listen: [], ${options} });
    await server.listen();
    const client = server.client({ source: "test" });
    for (let count = 0; count < 50; count++) await client.call("boom").catch(() => {});
    await client.call("fine");
    await client.close();
    await server.close();`;
  const stderrOf = (options: string): string =>
    spawnSync(process.execPath, ["--input-type=module", "--eval", program(options)], { encoding: "utf8" }).stderr;

  test("tells on standard error what a command threw, with its stack, and not without end", () => {
    // On a busy machine the calls may take longer than the second in which there is one line more.
    const stderr = stderrOf("limits: { malformedLogIntervalMs: 60_000 }");
    expect(stderr).toMatch(/^iscep: command boom failed in run [\da-f-]{36}:\n {4}RangeError: out of cheese\n {8}at /);
    expect(stderr.match(/out of cheese/g)).toHaveLength(10);
  });

  test("adds no listener for each server", async () => {
    const before = process.stderr.listenerCount("error");
    for (let count = 0; count < 12; count++) {
      const server = new Server({ commands: [boom], listen: [] });
      onTestFinished(() => server.close({ graceMs: 0 }));
      await server.listen();
      await using client = server.client({ source: "test" });
      await expect(client.call("boom", { password: "a-long-secret" })).rejects.toMatchObject({ code: "failed" });
    }
    expect(process.stderr.listenerCount("error") - before).toBeLessThanOrEqual(1);
  });

  test("tells nothing with logs: false", () => {
    expect(stderrOf("logs: false")).toBe("");
  });
});
