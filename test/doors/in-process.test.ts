/**
 * The same scenarios over version 2 on a socket and in the process of the server: what a caller gets is the same, values,
 * errors and their words, outcomes, output, and what the command sees.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { IscepError, type RunHandle } from "iscep";
import { watchForLeaks } from "../support/leaks.js";
import { collect, patternBytes } from "../support/output.js";
import { tokens, writeTokens } from "../support/servers.js";
import { stageFor, limits, type Stage, never } from "../support/in-process-stage.js";

watchForLeaks();

const MiB = 1024 * 1024;

type Scenario = (stage: Stage) => Promise<unknown>;

/** What a caller can tell of an error, without what differs from run to run. */
function told(error: unknown): unknown {
  if (!(error instanceof IscepError)) return error;
  const { code, message } = error;
  // Over a socket a wrong token fails before the call does, and so without the status of a call.
  const { status: _, ...details } = error.details;
  return { code, message: message.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/, "…"), details: withoutIds(details) };
}

function withoutIds(value: unknown): unknown {
  const text = JSON.stringify(value, (key, member: unknown) =>
    /^(?:run|durationMs|.*AtMs)$/.test(key) ? "…" : member,
  );
  return text === undefined ? undefined : JSON.parse(text);
}

async function resultOf(work: Promise<unknown>): Promise<unknown> {
  try {
    return { value: withoutIds(await work) };
  } catch (error) {
    return { error: told(error) };
  }
}

async function ended(run: RunHandle): Promise<unknown> {
  const outcome = await run.outcome;
  const id = await run.id.then(
    (text) => /^[0-9a-f]{8}-/.test(text),
    (error: unknown) => told(error),
  );
  const error = "error" in outcome ? told(outcome.error) : undefined;
  const valueError = "valueError" in outcome ? told(outcome.valueError) : undefined;
  return { ...(withoutIds(outcome) as object), error, valueError, id };
}

function aborted(afterMs: number): AbortSignal {
  const controller = new AbortController();
  if (afterMs === 0) controller.abort();
  else setTimeout(() => controller.abort(), afterMs);
  return controller.signal;
}

function circle(): object {
  const value: Record<string, unknown> = {};
  value["itself"] = value;
  return value;
}

/** With what each of them has to give over both ways, as far as that can be said in a word. */
const scenarios: Readonly<Record<string, readonly [Scenario, unknown]>> = {
  "a value": [
    ({ client }) => client.call("typed", { message: "ü\u{1f600}", numb: 5 }),
    { message: "ü\u{1f600}", numb: 5 },
  ],
  "a value of nothing": [({ client }) => client.call("noargs"), "ok"],
  "values of each kind": [
    async ({ client }) =>
      Promise.all(
        [null, -0, 1.5, 2 ** 60, "", [1, [2]], { a: undefined, b: new Date(0) }, { ["__proto__"]: 1 }].map((value) =>
          resultOf(client.call("any", { value })),
        ),
      ),
    expect.arrayContaining([{ value: { py: "dict", value: { b: "1970-01-01T00:00:00.000Z" } } }]),
  ],
  "wrong arguments": [
    ({ client }) => resultOf(client.call("add", { a: 1 })),
    { error: expect.objectContaining({ code: "invalid_arguments" }) },
  ],
  "arguments that JSON cannot hold": [
    ({ client }) =>
      Promise.all(
        [Number.NaN, () => 1, new Map(), circle(), 10n].map((value) => resultOf(client.call("any", { value }))),
      ),
    expect.arrayContaining([{ error: expect.objectContaining({ code: "invalid_arguments" }) }]),
  ],
  "an unknown command": [
    ({ client }) => ended(client.run("nobody", {})),
    expect.objectContaining({ status: "rejected" }),
  ],
  "a request that is too large": [
    async ({ client }) => {
      const { error } = (await resultOf(client.call("any", { value: "x".repeat(5 * MiB) }))) as { error: IscepError };
      return error.code;
    },
    "too_large",
  ],
  "an answer that is too large": [
    ({ client }) => ended(client.run("any", { value: "x".repeat(4 * MiB - 4_200) })),
    expect.objectContaining({ status: "failed", error: expect.objectContaining({ code: "too_large" }) }),
  ],
  "a function that throws": [
    ({ client }) => ended(client.run("fail", { message: "by itself" })),
    expect.objectContaining({ status: "failed" }),
  ],
  "a function that throws with a code": [
    ({ client }) => Promise.all(["busy", "failed", "timeout"].map((code) => ended(client.run("refuses", { code })))),
    expect.arrayContaining([expect.objectContaining({ status: "failed" })]),
  ],
  "details of an error": [
    async ({ client }) => {
      const told = async (kind: string): Promise<unknown> => {
        const outcome = await client.run("details", { kind, password: "hunter2-and-more" }).outcome;
        return "error" in outcome ? withoutIds(outcome.error.details) : outcome;
      };
      return Promise.all(["plain", "the protocol's names", "too large", "no JSON", "secret"].map(told));
    },
    [
      { world: "end", steps: [1, { deep: null }], status: "failed", run: "…", output: 0 },
      { other: 1, status: "failed", run: "…", output: 0 },
      { status: "failed", run: "…", output: 0 },
      { status: "failed", run: "…", output: 0 },
      { status: "failed", run: "…", output: 0 },
    ],
  ],
  "a result that JSON cannot hold": [
    ({ client }) => ended(client.run("no_json", {})),
    expect.objectContaining({ status: "failed" }),
  ],
  "a script": [
    ({ client }) => resultOf(client.call("script")),
    { value: expect.objectContaining({ exitCode: 3, stdout: "out\n" }) },
  ],
  "a script that is followed": [
    async ({ client }) => {
      const run = client.run("script", {});
      const { stdout, stderr } = await collect(run);
      return { stdout: stdout.toString(), stderr: stderr.toString(), outcome: await ended(run) };
    },
    expect.objectContaining({ stderr: "err\n" }),
  ],
  "progress and who calls": [
    async ({ client }) => {
      const run = client.run("progress", {});
      const heard: unknown[] = [];
      run.onProgress((fraction, message) => heard.push([fraction, message]));
      return { all: (await collect(run)).all.toString(), outcome: await ended(run), heard };
    },
    expect.objectContaining({
      heard: [
        [0.25, "first"],
        [0.5, undefined],
      ],
    }),
  ],
  "its place in a queue": [
    async ({ client }) => {
      const first = client.run("one", {});
      const second = client.run("one", {});
      const heard: number[] = [];
      second.onQueued((position) => heard.push(position));
      return [await ended(first), await ended(second), heard];
    },
    expect.arrayContaining([[1, 0]]),
  ],
  "output for a slow reader": [
    async ({ client, writer: { state } }) => {
      const run = client.run("write", { bytes: 4 * MiB, piece: 16_384 });
      const reader = run.output[Symbol.asyncIterator]();
      let ahead = 0;
      const parts: Uint8Array[] = [];
      for (let next = await reader.next(); next.done !== true; next = await reader.next()) {
        parts.push(next.value.bytes);
        if (parts.length % 64 === 0) await sleep(5);
        ahead = Math.max(ahead, state.written - next.value.offset);
      }
      const all = Buffer.concat(parts);
      return { whole: all.equals(patternBytes(0, 4 * MiB)), isHeldBack: ahead < 2 * MiB, outcome: await ended(run) };
    },
    expect.objectContaining({ whole: true, isHeldBack: true }),
  ],
  "output that nobody reads in time": [
    async ({ client }) => {
      const run = client.run("write", { bytes: 8 * MiB, piece: 65_536 });
      const outcome = await ended(run);
      return { outcome, error: ((await resultOf(collect(run))) as { error: IscepError }).error.code };
    },
    expect.objectContaining({ error: "output_gone" }),
  ],
  "output that nobody reads, and somebody after all": [
    async ({ client }) => {
      const run = client.run("write", { bytes: 700_000, piece: 65_536 });
      await run.outcome;
      return (await collect(run)).all.equals(patternBytes(0, 700_000));
    },
    true,
  ],
  "standard input": [
    async ({ client }) => {
      const run = client.run("echo_input", {}, { stdin: parts(1.5 * MiB) });
      return [(await collect(run)).all.equals(patternBytes(0, 1.5 * MiB)), await run.value];
    },
    [true, 1.5 * MiB],
  ],
  "standard input whose source fails": [
    ({ client }) => ended(client.run("echo_input", {}, { stdin: broken() })),
    expect.objectContaining({ status: "cancelled" }),
  ],
  "a cancel": [
    async ({ client, gate: { state } }) => {
      const run = client.run("gate", {});
      await run.id;
      run.cancel();
      return [await ended(run), state];
    },
    expect.arrayContaining([{ started: 1, ended: 0, aborted: 1 }]),
  ],
  "a cancel by its id": [
    async ({ client, another }) => {
      const run = client.run("gate", {});
      await (await another()).cancel(await run.id);
      return ended(run);
    },
    expect.objectContaining({ status: "cancelled" }),
  ],
  "a signal": [
    async ({ client }) => [
      await resultOf(client.call("gate", {}, { signal: aborted(0) })),
      await resultOf(client.call("gate", {}, { signal: aborted(20) })),
      await ended(client.run("gate", {}, { signal: aborted(0) })),
      await ended(client.run("gate", {}, { signal: aborted(20) })),
    ],
    expect.arrayContaining([expect.objectContaining({ status: "cancelled" })]),
  ],
  "a timeout": [
    async ({ client, gate: { state } }) => [
      await resultOf(client.call("gate", {}, { timeoutMs: 30 })),
      await ended(client.run("gate", {}, { timeoutMs: 30 })),
      state,
    ],
    expect.arrayContaining([{ started: 2, ended: 0, aborted: 2 }]),
  ],
  "wrong options": [
    async ({ client }) => [
      await resultOf(Promise.resolve().then(() => client.call("noargs", {}, { timeoutMs: 0 }))),
      await resultOf(client.call("noargs", {}, { idempotencyKey: "" })),
      await resultOf(client.runs({ limit: -1 })),
      await resultOf(client.attach(never, { offset: -1 }).value),
    ],
    expect.arrayContaining([{ error: expect.objectContaining({ code: "usage" }) }]),
  ],
  "an idempotency key": [
    async ({ client, gate: { state, open } }) => {
      const first = client.run("gate", {}, { idempotencyKey: "k" });
      const second = client.run("gate", {}, { idempotencyKey: "k" });
      const isOne = (await first.id) === (await second.id);
      open();
      const other = await ended(client.run("noargs", {}, { idempotencyKey: "k" }));
      return [isOne, await ended(first), await ended(second), other, state];
    },
    expect.arrayContaining([true, { started: 1, ended: 1, aborted: 0 }]),
  ],
  "a run that is left alone, and taken up again": [
    async ({ another, gate: { open, state } }) => {
      const first = await another();
      const id = await first.run("gate", { tag: "t" }, { detach: true }).id;
      await first.close();
      const second = await another();
      const run = second.attach(id);
      await run.id;
      open();
      return [await ended(run), state, (await second.runs()).runs.length];
    },
    expect.arrayContaining([{ started: 1, ended: 1, aborted: 0 }]),
  ],
  "a run at an offset": [
    async ({ client }) => {
      const run = client.run("write", { bytes: 1_000, piece: 1_000 });
      await run.outcome;
      const { all } = await collect(client.attach(await run.id, { offset: 400 }), 400);
      const beyond = await ended(client.attach(await run.id, { offset: 1_001 }));
      return [all.equals(patternBytes(400, 600)), beyond];
    },
    expect.arrayContaining([true]),
  ],
  "a run that there is not": [
    async ({ client }) => [
      await ended(client.attach(never)),
      await resultOf(client.cancel(never)),
      await resultOf(client.runs({ run: never })),
    ],
    expect.arrayContaining([{ error: expect.objectContaining({ code: "run_not_found" }) }]),
  ],
  "runs, page by page": [
    async ({ client }) => {
      for (let round = 0; round < 3; round++) await client.run("noargs", {}).outcome;
      const page = await client.runs({ limit: 2 });
      const rest = await client.runs({ limit: 2, after: page.next ?? "" });
      return [page.runs.length, rest.runs.length, rest.next, withoutIds(page.runs)];
    },
    expect.arrayContaining([2, 1, undefined]),
  ],
  "the list of commands": [
    ({ client }) => client.list(),
    expect.arrayContaining([expect.objectContaining({ name: "add" })]),
  ],
  "an echo": [({ client }) => client.echo({ some: [1, "ü"] }), { some: [1, "ü"] }],
  "a token that is wrong, or missing": [
    async ({ client, another }) => [
      await resultOf(client.call("noargs", {}, { token: null })),
      await resultOf(client.call("noargs", {}, { token: "wrong" })),
      await resultOf(client.call("noargs", {}, { token: tokens.bob })),
      await ended((await another(null)).run("noargs", {})),
      await resultOf((await another("wrong")).list()),
    ],
    expect.arrayContaining([{ error: expect.objectContaining({ code: "unauthorized" }) }, { value: "ok" }]),
  ],
  "runs of another owner": [
    async ({ client, another }) => {
      const run = client.run("gate", {});
      const bob = await another(tokens.bob);
      return [await ended(bob.attach(await run.id)), (await bob.runs()).runs.length];
    },
    expect.arrayContaining([0]),
  ],
  "a client that is closed while its runs go on": [
    async ({ client, gate: { state } }) => {
      const call = resultOf(client.call("gate", {}));
      const run = client.run("gate", {});
      await run.id;
      await client.close();
      const results = [await call, await ended(run), await resultOf(client.call("noargs"))];
      // As those of a connection that is lost, after the grace in which their caller may come back.
      while (state.aborted < 2) await sleep(5);
      return [...results, state];
    },
    expect.arrayContaining([{ started: 2, ended: 0, aborted: 2 }]),
  ],
  "a token that is removed while its run goes on": [
    async ({ client, server, gate: { state } }) => {
      const run = client.run("gate", {});
      await run.id;
      writeTokens(server.tokensFile, { bob: tokens.bob });
      const outcome = await run.outcome;
      while (state.aborted < 1) await sleep(5);
      return [outcome.status, state, ((await resultOf(client.call("noargs"))) as { error: IscepError }).error.code];
    },
    ["lost", { started: 1, ended: 0, aborted: 1 }, "unauthorized"],
  ],
  "a server that closes": [
    async ({ client, server, gate: { state } }) => {
      const run = client.run("gate", {});
      await run.id;
      await server.server.close({ graceMs: 0 });
      return [await ended(run), state];
    },
    expect.arrayContaining([expect.objectContaining({ status: "cancelled" })]),
  ],
};

async function* parts(bytes: number): AsyncGenerator<Uint8Array, void, void> {
  for (let at = 0; at < bytes; at += 50_000) yield patternBytes(at, Math.min(50_000, bytes - at));
}

async function* broken(): AsyncGenerator<string, void, void> {
  yield "some";
  throw new Error("the disk is gone");
}

describe("over a socket and in the process of the server, the same comes of", () => {
  test.each(Object.entries(scenarios))("%s", async (_name, [scenario, expected]) => {
    const overSocket = await scenario(await stageFor("socket", { limits }));
    expect(overSocket).toEqual(expected);
    expect(await scenario(await stageFor("in process", { limits }))).toEqual(overSocket);
  });
});
