/** What callers send as arguments, through every door: PITFALLS 3, 8 and 16. */
import { describe, expect, test } from "vitest";
import { declareArguments, defineCommand, defineScript, type ScriptResult } from "iscep";
import { watchForLeaks } from "../support/leaks.js";
import { logLines, startServer, tokens } from "../support/servers.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { errorOf } from "../support/error-of.js";

watchForLeaks();

const args = {
  world: { type: "string", pattern: "[a-z]+", maxLength: 20 },
  mode: { type: "enum", choices: ["fast", "full"], default: "fast" },
  names: { type: "list", items: { type: "string" }, maxItems: 2, optional: true },
  file: { type: "path", base: "base", presence: "new", optional: true },
  count: { type: "integer", minimum: 0, maximum: 9, optional: true },
} as const;

// PITFALLS 3: the JSON of a web hook went past OliveTin's checks (CVE-2026-27626).
describe("every door has the same check", () => {
  const wrong: readonly object[] = [
    {},
    { world: "UPPER" },
    { world: "a\nb" },
    { world: "a b" },
    { world: "$(id)" },
    { world: "x".repeat(21) },
    { world: 5 },
    { world: null },
    { world: ["a"] },
    { world: { toString: "a" } },
    { world: "a", mode: "slow" },
    { world: "a", names: ["a", "b", "c"] },
    { world: "a", names: ["a\0"] },
    { world: "a", file: "../etc/passwd" },
    { world: "a", file: "/etc/passwd" },
    { world: "a", count: 10 },
    { world: "a", count: "5" },
    { world: "a", count: 0.5 },
    { world: "a", other: 1 },
    JSON.parse('{"world":"a","__proto__":{"x":1}}') as object,
  ];

  test("of version 1 and 2, cleartext, TLS and a unix socket, for functions and scripts", async () => {
    let ran = 0;
    const folder = temporaryFolder();
    const commands = [
      defineCommand({ name: "function", args: declareArguments(args, { folder }), run: () => ++ran }),
      defineScript({ name: "script", run: ["env"], args, stdin: "args", folder }),
    ];
    const servers = [
      await startServer({ commands }),
      await startServer({ commands, tls: true }),
      await startServer({ commands, unix: `${folder}/iscep.sock` }),
    ];
    const answers = new Map<string, Set<string>>();
    for (const server of servers) {
      for (const protocol of [1, 2] as const) {
        const client = await server.client({ protocol });
        for (const command of ["function", "script"]) {
          for (const given of wrong) {
            const { code, message } = await errorOf(client.call(command, given));
            expect({ given, code }).toEqual({ given, code: "invalid_arguments" });
            const text = JSON.stringify(given);
            answers.set(text, (answers.get(text) ?? new Set()).add(message));
          }
        }
      }
    }
    expect([...answers.values()].filter((messages) => messages.size !== 1)).toEqual([]);
    expect(answers.size).toBe(wrong.length);
    expect(ran).toBe(0);
  });
});

// PITFALLS 8: OliveTin filled one shared template for all runs (CVE-2026-48708, GHSA-7fq5-7wr8-rjwj).
test("runs at once each get their own arguments, in argv, standard input, descriptors and variables", async () => {
  const script = defineScript({
    name: "show",
    run: ["sh", "-c", 'sleep 0.1; printf "%s|%s|%s|" "$1" "$ISCEP_ARG_A" "$(cat "$2")"; cat', "sh", "{a}", "{a:file}"],
    args: { a: { type: "string" } },
    stdin: "{a}",
    argumentVariables: "all",
  });
  const client = await (await startServer({ commands: [script] })).client({ protocol: 2 });
  const values = Array.from({ length: 20 }, (_, index) => `value-${index}`);
  const results = await Promise.all(values.map((a) => client.call("show", { a }) as Promise<ScriptResult>));
  expect(results.map(({ stdout }) => stdout)).toEqual(values.map((a) => `${a}|${a}|${a}|${a}`));
});

// PITFALLS 16 (GHSA-xx6g-43w2-9g6g), 15 (GHSA-364q-w7vh-vhpc).
test("names and values make no line of a log, and an idempotency key no path", async () => {
  const command = defineCommand({
    name: "echo",
    args: declareArguments({ a: { type: "string", allow: ["control"] } }),
    run: () => 1,
  });
  const server = await startServer({ commands: [command] });
  const client = await server.client({ protocol: 2, token: tokens.alice });
  const forged = '\n{"event":"forged"}\u001B[2J\u2028';
  expect(await client.call("echo", { a: forged }, { idempotencyKey: "../../../forged" })).toBe(1);
  await errorOf(client.call("echo", { [forged]: 1 }));
  await errorOf(client.call(forged, { a: "b" }));
  const text = await server.logged();
  expect(logLines(text).filter(({ event }) => event === "forged")).toEqual([]);
  expect(text).not.toMatch(/(?!\n)[\p{Cc}\u2028]/u);
  expect(
    logLines(text).filter(({ args: told }) => JSON.stringify(told) === `{"a":"string(${forged.length})"}`),
    // One at its start and one at its end.
  ).toHaveLength(2);
});
