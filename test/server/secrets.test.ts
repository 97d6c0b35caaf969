/** PITFALLS 18: what a caller gives as a secret stands in no log, listing, error or other caller's view. */
import { describe, expect, test } from "vitest";
import { z } from "zod";
import {
  declareArguments,
  defineCommand,
  defineScript,
  IscepError,
  type CommandEvent,
  type ErrorEvent,
  type Logs,
  type ScriptResult,
} from "iscep";
import { watchForLeaks } from "../support/leaks.js";
import { logLines, startServer } from "../support/servers.js";

watchForLeaks();

const password = "canary-9c1e-password";
const secretArgs = declareArguments({ password: { type: "secret", minLength: 8 }, user: { type: "string" } });

const commands = [
  defineCommand({ name: "log_in", args: secretArgs, run: ({ user }) => user }),
  defineCommand({
    name: "fail",
    args: secretArgs,
    run: (args) => {
      throw new Error(`no such password: ${args.password}`, { cause: new TypeError(`it was ${args.password}!`) });
    },
  }),
  defineCommand({
    name: "explain",
    args: secretArgs,
    run: () => {
      throw new IscepError("failed", "wrong password");
    },
  }),
  defineCommand({
    name: "of_zod",
    args: z.object({ key: z.string().meta({ writeOnly: true }), n: z.int() }),
    run: ({ n }) => n,
  }),
];

describe.each([1, 2] as const)("over version %d", (protocol) => {
  test("logs have the word secret, and no length; nothing else has more", async () => {
    const server = await startServer({ commands });
    const client = await server.client({ protocol });
    expect(await client.call("log_in", { password, user: "root" })).toBe("root");
    expect(await client.call("of_zod", { key: password, n: 1 })).toBe(1);
    const told: unknown[] = [];
    for (const [name, args] of [
      ["fail", { password, user: "x" }],
      ["explain", { password, user: "x" }],
      ["log_in", { password, user: 5 }],
      ["log_in", { password: [password], user: "x" }],
      ["log_in", { password: password.slice(0, 7), user: "x" }],
      ["of_zod", { key: password, n: "x" }],
    ] as const)
      told.push(await client.call(name, args as never).catch((error: unknown) => error));
    told.push(await client.list());
    const text = await server.logged();
    const lines = logLines(text).filter(({ args }) => args !== undefined);
    expect(lines.map(({ args }) => args)).toEqual([
      { password: "secret", user: "string(4)" },
      { key: "secret", n: "number" },
      { password: "secret", user: "string(1)" },
      { password: "secret", user: "string(1)" },
      { password: "secret", user: "number" },
      { password: "secret", user: "string(1)" },
      { password: "secret", user: "string(1)" },
      { key: "secret", n: "string(1)" },
    ]);
    expect(text).toContain("no such password: ***");
    expect(text).toContain("it was ***!");
    const all = `${text}${told.map((thing) => `${String(thing)}${JSON.stringify(thing)}`).join("")}`;
    expect(all).not.toContain("canary");
  });
});

describe.each([1, 2] as const)("a script over version %d", (protocol) => {
  const show = ["sh", "-c", 'cat "$1"; cat; cat "$1" >&2; cat /proc/$$/cmdline /proc/$$/environ', "sh"] as const;
  const script = defineScript({
    name: "show",
    run: ["env", ...show, "{password:file}", "{user}"],
    args: { password: { type: "secret" }, user: { type: "string" } },
    stdin: "args",
  });

  test("reads a secret from a descriptor and standard input; what it prints of it is masked in every channel", async () => {
    const server = await startServer({ commands: [script] });
    const client = await server.client({ protocol });
    const result = (await client.call("show", { password, user: "root" })) as ScriptResult;
    expect(result.stderr).toBe("***");
    expect(result.stdout.startsWith('***{"password":"***","user":"root"}')).toBe(true);
    // In argv there is a path, and in the environment nothing.
    expect(result.stdout.split("***")).toHaveLength(3);
    expect(result.stdout).toContain("/dev/fd/3\0root\0");
    const text = `${JSON.stringify(result)}${await server.logged()}`;
    expect(text).not.toContain("canary");
    expect(text).toContain('"password":"secret"');
  });
});

test("standard input from arguments can be opened as /dev/stdin, as often as a script likes", async () => {
  const twice = defineScript({
    name: "twice",
    run: ["cat", "/dev/stdin", "/dev/stdin", "-"],
    args: { text: { type: "string", maxLength: 1_000_000 } },
    stdin: "{text}",
  });
  const client = await (await startServer({ commands: [twice] })).client({ protocol: 2 });
  const text = "x".repeat(300_000);
  const { stdout } = (await client.call("twice", { text })) as ScriptResult;
  expect(stdout).toBe(text.repeat(3));
  // Nobody has to read it.
  const unread = defineScript({ name: "unread", run: ["true"], args: { text: { type: "string" } }, stdin: "{text}" });
  const other = await (await startServer({ commands: [unread] })).client({ protocol: 2 });
  expect(await other.call("unread", { text: "x" })).toMatchObject({ exitCode: 0 });
});

test("whoever attaches to the output of a run sees no secret either", async () => {
  const slow = defineScript({
    name: "slow",
    // Its two halves are printed apart.
    run: ["sh", "-c", 'printf %s "$(cut -c 1-10 "$1")"; sleep 0.2; cut -c 11- "$1"', "sh", "{password:file}"],
    args: { password: { type: "secret" } },
  });
  const server = await startServer({ commands: [slow] });
  const client = await server.client({ protocol: 2 });
  const run = client.run("slow", { password }, { detach: true });
  const id = await run.id;
  const other = await server.client({ protocol: 2 });
  let seen = "";
  for await (const { bytes } of other.attach(id, { offset: 0 }).output) seen += Buffer.from(bytes).toString();
  expect(seen).toBe("***\n");
});

test("logs of a program's own get no secret either", async () => {
  const events: (CommandEvent | ErrorEvent)[] = [];
  const logs: Logs = {
    access: () => {},
    error: (event) => events.push(event),
    command: (event) => events.push(event),
    close: () => Promise.resolve(),
  };
  const { Server, connect } = await import("iscep");
  const server = new Server({ commands, logs, port: 0, tls: false });
  try {
    const { url } = await server.listen();
    const client = await connect(url);
    await client.call("log_in", { password, user: "root" });
    await client.call("fail", { password, user: "root" }).catch(() => {});
    await client.close();
  } finally {
    await server.close({ graceMs: 0 });
  }
  expect(events.length).toBeGreaterThan(2);
  for (const event of events) {
    expect(JSON.stringify(event)).not.toContain("canary");
    let thrown: unknown = "error" in event ? event.error : undefined;
    for (; thrown instanceof Error; thrown = thrown.cause)
      expect(`${thrown.message}${thrown.stack}`).not.toContain("canary");
  }
});
