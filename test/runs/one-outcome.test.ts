/**
 * A run has one outcome. Its caller over version 1 or 2, who follows it, who attaches later, the list of runs, the commands
 * log, and a server that was started again tell the same, whatever the command gave back and whatever ended it.
 */
import path from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineCommand, defineScript, IscepError, type Client, type Outcome } from "iscep";
import { watchForLeaks } from "../support/leaks.js";
import { logLines, readLogs, startServer, tokens } from "../support/servers.js";
import { temporaryFolder } from "../support/temporary-folder.js";

watchForLeaks();

class Secretive {
  readonly #hidden = 1;
  get hidden(): number {
    return this.#hidden;
  }
}
const circle: { self?: unknown } = {};
circle.self = circle;

/** What a function may give back, and what of it cannot be sent; undefined: it can. */
const values: Record<string, { readonly make: () => unknown; readonly refused?: RegExp }> = {
  number: { make: () => 3 },
  nothing: { make: () => undefined },
  null: { make: () => null },
  text: { make: () => "ü€𝄞\u2028" },
  double: { make: () => [1e16, -0.5] },
  structure: { make: () => ({ items: [{ name: "end", size: 1 }], at: new Date(0), none: undefined }) },
  "instance with members": { make: () => Object.assign(new Secretive(), { shown: 1 }) },
  "larger than version 1 can carry": { make: () => "x".repeat(100_000) },
  "what no packet can carry": { make: () => "x".repeat(5_000_000), refused: /^the command ran, and its result has / },
  NaN: { make: () => ({ a: [Number.NaN] }), refused: /: result\.a\[0\]: NaN/ },
  promise: { make: () => ({ items: [1, 2, 3, Promise.resolve(4)] }), refused: /: result\.items\[3\]: a Promise/ },
  error: { make: () => ({ error: new Error("disk is full") }), refused: /: result\.error: an Error/ },
  "error with a code": { make: () => Object.assign(new Error("x"), { code: "E" }), refused: /: result: an Error/ },
  map: { make: () => new Map([[1, 2]]), refused: /: result: a Map/ },
  set: { make: () => [new Set([1])], refused: /: result\[0\]: a Set/ },
  iterator: { make: () => [1, 2].values(), refused: /: result: an iterator/ },
  generator: {
    make: () =>
      (function* () {
        yield 1;
      })(),
    refused: /: result: an iterator or generator/,
  },
  stream: { make: () => new ReadableStream(), refused: /: result: a stream/ },
  "instance without members": { make: () => new Secretive(), refused: /: result: a Secretive/ },
  parameters: { make: () => new URLSearchParams("a=1"), refused: /: result: an? URLSearchParams/ },
  bytes: { make: () => Buffer.from("x"), refused: /: result: a Buffer/ },
  "undefined inside": { make: () => [undefined], refused: /: result\[0\]: undefined/ },
  function: { make: () => ({ run: () => 1 }), refused: /: result\.run: a function/ },
  symbol: { make: () => Symbol("x"), refused: /: result: a symbol/ },
  bigint: { make: () => 2n ** 70n, refused: /: result: a bigint/ },
  circle: { make: () => circle, refused: /: result(?:\.self)+: it nests too deep/ },
  "date without a time": { make: () => new Date(Number.NaN), refused: /: result: it is an invalid date/ },
};
const kinds = Object.keys(values);

const give = defineCommand({
  name: "give",
  args: z.object({ kind: z.string(), later: z.boolean() }),
  run: ({ kind, later: isLater }) => {
    const { make } = values[kind] ?? { make: () => undefined };
    // A value that is a promise itself gets no promise around it.
    return isLater ? new Promise((resolve) => setImmediate(() => resolve(make()))) : make();
  },
});
const fail = defineCommand({
  name: "fail",
  args: z.object({ how: z.string() }),
  run: ({ how }) => {
    if (how === "busy") throw new IscepError("busy", "the disk is full");
    if (how === "long") throw new IscepError("failed", "y".repeat(50_000));
    throw new Error("not for callers");
  },
});
function waiting(name: string, whenFull: "queue" | "replace" | "join") {
  return defineCommand({
    name,
    concurrency: { limit: whenFull === "queue" ? 9 : 1, whenFull },
    run: async (_args, { signal, output, progress }) => {
      progress(0.5, "waiting");
      await output.write("stdout", "some output\n");
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      return "too late";
    },
  });
}
const wait = waiting("wait", "queue");
const replaced = waiting("replaced", "replace");
const joined = waiting("joined", "join");
let shared = { count: 1 };
const mutates = defineCommand({ name: "mutates", run: () => (shared = { count: 1 }) });
const script = defineScript({
  name: "script",
  run: [
    process.execPath,
    "-e",
    `const how = process.argv[1];
     if (how === "shot") process.kill(process.pid, "SIGKILL");
     else console.log("x".repeat(30_000));
     if (how === "exits") process.exitCode = 3;`.replaceAll("\n", " "),
    "{how}",
  ],
  args: { how: { type: "string" } },
});
const prints = ["exits", "ends", "shot"];
const json = defineScript({ name: "json", run: [process.execPath, "-e", "console.log('no')"], output: "json" });

type Ending = { readonly command: string; readonly args?: object; readonly stop?: "call" | "id" | "timeout" };

const endings: fc.Arbitrary<Ending> = fc.oneof(
  fc.record({
    command: fc.constant("give"),
    args: fc.record({ kind: fc.constantFrom(...kinds), later: fc.boolean() }),
  }),
  fc.record({ command: fc.constant("fail"), args: fc.record({ how: fc.constantFrom("busy", "long", "throws") }) }),
  fc.record({
    command: fc.constantFrom("wait", "replaced", "joined"),
    args: fc.constant({}),
    stop: fc.constantFrom("call" as const, "id" as const, "timeout" as const),
  }),
  fc.record({
    command: fc.constant("script"),
    args: fc.record({ how: fc.constantFrom(...prints) }),
  }),
  fc.constant({ command: "json", args: {} }),
  fc.constant({ command: "mutates", args: {} }),
);

/** What an outcome says, in the form that all tellers have in common. */
function told(outcome: Outcome): Record<string, unknown> {
  const { error, ...facts } = { error: undefined, ...outcome };
  return JSON.parse(JSON.stringify({ ...facts, code: error?.code, message: error?.message })) as Record<
    string,
    unknown
  >;
}

function factsOf({ status, code, exitCode, signal }: Record<string, unknown>): Record<string, unknown> {
  return { status, code, exitCode, signal };
}

interface Seen {
  readonly id: string;
  readonly outcome: Outcome;
}

/** What its followers were told, and the same of what replaced it or joined it. The caller was told the same, unless it left. */
async function callVersion2(client: Client, watcher: Client, { command, args, stop }: Ending): Promise<Seen[]> {
  const run = client.run(command, args ?? {}, stop === "timeout" ? { timeoutMs: 40 } : {});
  const id = await run.id;
  const following = watcher.attach(id);
  await following.id;
  const other = command === "replaced" || command === "joined" ? client.run(command, {}, { timeoutMs: 80 }) : undefined;
  await other?.id;
  if (stop === "call") run.cancel();
  if (stop === "id") await watcher.cancel(id).catch(() => {});
  const outcome = await run.outcome;
  // When its caller alone has left, the run goes on for who follows it.
  const hasLeft = "error" in outcome && outcome.error.message.includes("its run goes on");
  if (hasLeft) await watcher.cancel(id);
  const seen = [{ id, outcome: await following.outcome }];
  if (!hasLeft) expect(told(outcome)).toEqual(told(seen[0]!.outcome));
  if (other !== undefined) seen.push({ id: await other.id, outcome: await other.outcome });
  return seen;
}

describe("all tellers of an outcome", () => {
  test("tell the same: over version 2 to the caller, to followers, in the list and the log, and after a restart", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(endings, { minLength: 12, maxLength: 20 }), async (cases) => {
        const folder = temporaryFolder();
        const runsFolder = path.join(folder, "runs");
        const commands = [give, fail, wait, replaced, joined, mutates, script, json];
        const server = await startServer({ commands, runsFolder, limits: { maxRetainedRuns: 3 } });
        const [client, watcher] = [await server.client({ protocol: 2 }), await server.client({ protocol: 2 })];
        const seen: Seen[] = [];
        for (const one of cases) {
          const calls = await callVersion2(client, watcher, one);
          shared.count++;
          seen.push(...calls);
          if (one.command !== "give") continue;
          const refused = values[(one.args as { kind: string }).kind]?.refused;
          const [{ outcome }] = calls as [Seen];
          expect(outcome.status).toBe(refused === undefined ? "completed" : "failed");
          if (refused !== undefined && "error" in outcome) expect(outcome.error.message).toMatch(refused);
        }
        const check = async (teller: Client, moment: string) => {
          for (const { id, outcome } of seen) {
            expect(told(await teller.attach(id).outcome), moment).toEqual(told(outcome));
            const [record] = (await teller.runs({ run: id })).runs;
            expect(factsOf({ ...record }), moment).toEqual(factsOf(told(outcome)));
          }
        };
        await check(await server.client({ protocol: 2 }), "attached later");
        const inProcess = server.server.client({ token: tokens.alice, source: "test" });
        await check(inProcess, "attached later in the same process");
        await inProcess.close();
        const lines = logLines(await server.logged());
        for (const { id, outcome } of seen) {
          const line = lines.findLast(
            (entry) => entry["runId"] === id && entry["status"] !== "running" && "durationMs" in entry,
          );
          expect(factsOf(line ?? {}), "commands log").toEqual(factsOf(told(outcome)));
        }
        const again = await startServer({ commands, runsFolder });
        await check(await again.client({ protocol: 2 }), "after a restart");
        await again.server.close();
      }),
      { numRuns: 3 },
    );
  }, 120_000);

  test("tell the same over version 1 and in the log, also of what version 1 cannot carry", async () => {
    const server = await startServer({ commands: [give, fail, script, json] });
    const client = await server.client({ protocol: 1 });
    const outcomes: Outcome[] = [];
    for (const kind of kinds) outcomes.push(await client.run("give", { kind, later: true }).outcome);
    for (const how of ["busy", "throws"]) outcomes.push(await client.run("fail", { how }).outcome);
    for (const how of prints) outcomes.push(await client.run("script", { how }).outcome);
    outcomes.push(await client.run("json", {}).outcome);
    await server.server.close();
    const lines = logLines(readLogs(path.join(server.folder, "logs"))).filter(
      (line) => "durationMs" in line && line["status"] !== "running" && "command" in line,
    );
    expect(lines).toHaveLength(outcomes.length);
    for (const [index, outcome] of outcomes.entries()) {
      const { status, code } = told(outcome);
      const line = lines[index] ?? {};
      // Version 1 has no field for the status: what it tells is whether there is a value, and otherwise the code.
      expect([line["status"] === "completed", line["code"]], JSON.stringify(line)).toEqual([
        status === "completed",
        code,
      ]);
    }
  });
});

test("a value is what it was when the command gave it back", async () => {
  const server = await startServer({ commands: [mutates] });
  const client = await server.client({ protocol: 2 });
  const run = client.run("mutates", {});
  expect(await run.value).toEqual({ count: 1 });
  shared.count = 7;
  expect(await client.attach(await run.id).value).toEqual({ count: 1 });
});

test("a generator function as run is refused when it is defined", () => {
  const part = function* () {
    yield 1;
  };
  const parts = async function* () {
    yield 1;
  };
  expect(() => defineCommand({ name: "part", run: part })).toThrow(/run of "part" is a generator function/);
  expect(() => defineCommand({ name: "parts", run: parts })).toThrow(/run of "parts" is a generator function/);
});
