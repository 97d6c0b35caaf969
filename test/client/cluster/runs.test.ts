import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineCommand, defineScript } from "iscep";
import { gate, originalTasks } from "../../support/commands.js";
import { errorOf } from "../../support/error-of.js";
import { watchForLeaks } from "../../support/leaks.js";
import { collect } from "../../support/output.js";
import { tokens } from "../../support/servers.js";
import { startService } from "../../support/tcp-service.js";

watchForLeaks();

const shout = defineScript({
  name: "shout",
  stdin: true,
  run: ["tr", "a-z", "A-Z"],
});

const say = defineCommand({
  name: "say",
  args: z.object({ text: z.string() }),
  run: async ({ text }, { output, progress }) => {
    await output.write("stdout", text);
    progress(0.5, "half");
    return text.length;
  },
});

const commands = [...originalTasks, shout, say];

/** The first instance is full, and says that it is not. */
async function withFullFirst() {
  const full = gate();
  const service = await startService([{ commands: [...commands, full.command], limits: { maxRuns: 1 } }]);
  const client = await service.client();
  const blocker = client.call("gate", {});
  await full.started(1);
  const other = await service.add({ commands });
  service.instances[0]!.tell({ places: 1_000 });
  return { service, client, full, blocker, other };
}

describe("a run", () => {
  test("that was handed on brings its output, progress, id and value", async () => {
    const { client, full, blocker } = await withFullFirst();
    const run = client.run("say", { text: "hello" });
    const steps: unknown[] = [];
    run.onProgress((fraction, message) => steps.push([fraction, message]));
    expect((await collect(run)).stdout.toString()).toBe("hello");
    expect(await run.value).toBe(5);
    expect(steps).toEqual([[0.5, "half"]]);
    const { runs } = await client.runs({ run: await run.id });
    expect(runs).toMatchObject([{ command: "say", status: "completed" }]);
    full.open();
    await blocker;
  });

  test("that is cancelled while an instance refuses it is told to be cancelled, and not refused", async () => {
    const { client, full, blocker } = await withFullFirst();
    expect(await client.call("noargs")).toBe("ok");
    const runs = [1, 2, 3].map(() => client.run("say", { text: "hello" }));
    await new Promise<void>((resolve) => setImmediate(resolve));
    for (const run of runs) run.cancel();
    for (const { outcome } of runs) expect(["cancelled", "completed"]).toContain((await outcome).status);
    full.open();
    await blocker;
  });

  test("that was handed on gets all of its standard input, and the source is closed once", async () => {
    const { client, full, blocker } = await withFullFirst();
    let closed = 0;
    async function* chunks() {
      try {
        yield "one ";
        yield "two";
      } finally {
        closed++;
      }
    }
    for (const stdin of [chunks(), Readable.from(["one ", Buffer.from("two")]), "one two"]) {
      const run = client.run("shout", {}, { stdin });
      expect(await run.value).toMatchObject({ stdout: "ONE TWO", exitCode: 0 });
      if (stdin instanceof Readable) expect(stdin.destroyed).toBe(true);
    }
    expect(closed).toBe(1);
    full.open();
    await blocker;
  });

  test("that nobody takes closes its source of input", async () => {
    const service = await startService();
    const client = await service.client();
    const stdin = Readable.from(["never read"]);
    const outcome = await client.run("shout", {}, { stdin }).outcome;
    expect(outcome).toMatchObject({ status: "rejected", error: { code: "connect_failed" } });
    expect(stdin.destroyed).toBe(true);
  });

  test("is cancelled where it is, by its handle, its signal, or the end of its scope", async () => {
    const { command, state, started } = gate();
    const service = await startService([{ commands: [command] }, { commands: [command] }]);
    const client = await service.client();
    const byHandle = client.run("gate", {});
    await started(1);
    byHandle.cancel();
    expect(await byHandle.outcome).toMatchObject({ status: "cancelled" });
    const controller = new AbortController();
    const bySignal = client.run("gate", {}, { signal: controller.signal });
    const plain = errorOf(client.call("gate", {}, { signal: controller.signal }));
    await started(3);
    controller.abort();
    expect(await bySignal.outcome).toMatchObject({ status: "cancelled" });
    expect(await plain).toMatchObject({ code: "cancelled" });
    {
      await using scoped = client.run("gate", {});
      await scoped.id;
    }
    expect(state.started).toBe(4);
    const early = client.run("gate", {}, { signal: AbortSignal.abort() });
    expect(await early.outcome).toMatchObject({ status: "cancelled" });
    expect(state.started).toBe(4);
  });
});

describe("runs of other clients", () => {
  test("are found at whichever instance has them: to follow, to look at, to cancel", async () => {
    const gates = [gate(), gate()];
    const service = await startService(gates.map(({ command }) => ({ commands: [...commands, command] })));
    const [here, there] = [await service.client(), await service.client()];
    const runs = service.instances.map(({ instance }) => here.run("gate", {}, { to: instance, detach: true }));
    const ids = await Promise.all(runs.map(({ id }) => id));
    for (const run of ids) expect((await there.runs({ run })).runs).toMatchObject([{ run, status: "running" }]);
    const followed = ids.map((run) => there.attach(run));
    await there.cancel(ids[0]!);
    gates[1]!.open();
    expect(await followed[0]!.outcome).toMatchObject({ status: "cancelled" });
    expect(await followed[1]!.value).toBe("through");
    expect(await errorOf(there.cancel("019b0000-0000-7000-8000-000000000000"))).toMatchObject({
      code: "run_not_found",
    });
    const stranger = await service.client({ token: tokens.bob });
    expect(await stranger.attach(ids[1]!).outcome).toMatchObject({
      status: "rejected",
      error: { code: "run_not_found" },
    });
  });

  test("are listed together, newest first, each once, page by page", async () => {
    const service = await startService([{ commands }, { commands }, { commands }]);
    const client = await service.client();
    const ids: string[] = [];
    for (let index = 0; index < 12; index++) {
      const { instance } = service.instances[[0, 0, 1, 0, 2, 2][index % 6]!]!;
      const run = client.run("say", { text: String(index) }, { to: instance });
      await run.outcome;
      ids.push(await run.id);
    }
    const started = new Map((await client.runs()).runs.map(({ run, startedAtMs }) => [run, startedAtMs]));
    for (const limit of [1, 2, 5, 100]) {
      const listed: string[] = [];
      let after: string | undefined;
      do {
        const page = await client.runs({ limit, ...(after === undefined ? {} : { after }) });
        expect(page.runs.length).toBeLessThanOrEqual(limit);
        listed.push(...page.runs.map(({ run }) => run));
        after = page.next;
      } while (after !== undefined);
      expect([...listed].sort()).toEqual([...ids].sort());
      const times = listed.map((run) => started.get(run) ?? 0);
      expect(times).toEqual([...times].sort((a, b) => b - a));
    }
    expect(await errorOf(client.runs({ after: "no cursor" }))).toMatchObject({ code: "usage" });
    expect(await errorOf(client.runs({ after: "cluster-AAAA" }))).toMatchObject({ code: "usage" });
  });
});

describe("a call with a key", () => {
  test("joins its run at whichever instance has it, also for a client that never heard of it", async () => {
    const { command, state, started, open } = gate();
    const service = await startService([{ commands: [command] }, { commands: [command] }, { commands: [command] }]);
    const [first, second] = [await service.client(), await service.client()];
    const keys = Array.from({ length: 6 }, (_, index) => `key ${index}`);
    const calls = keys.map((idempotencyKey) => first.call("gate", { tag: idempotencyKey }, { idempotencyKey }));
    await started(6);
    await service.add({ commands: [command] });
    const again = keys.flatMap((idempotencyKey) =>
      [first, second].map((client) => client.run("gate", { tag: idempotencyKey }, { idempotencyKey })),
    );
    await Promise.all(again.map(({ id }) => id));
    open();
    expect(await Promise.all(calls)).toEqual(keys);
    expect(await Promise.all(again.map(({ value }) => value))).toEqual(keys.flatMap((key) => [key, key]));
    expect(state.started).toBe(6);
    const { runs } = await second.runs({ idempotencyKey: keys[0]! });
    expect(runs).toMatchObject([{ command: "gate", status: "completed" }]);
  });
});

test("a call with a key that its instance refuses is given to no other one, because it could run at both", async () => {
  const gates = [gate(), gate()];
  const limits = { maxRuns: 1, maxQueuedRuns: 0 };
  const service = await startService(gates.map(({ command }) => ({ commands: [command], limits })));
  const [first, second] = [await service.client(), await service.client()];
  const blockers = service.instances.map(({ instance }) => first.call("gate", {}, { to: instance }));
  await Promise.all(gates.map(({ started }) => started(1)));
  const keys = Array.from({ length: 8 }, (_, index) => `key ${index}`);
  for (const idempotencyKey of keys) {
    expect(await errorOf(first.call("gate", {}, { idempotencyKey }))).toMatchObject({ code: "busy" });
  }
  // Only one of the two has room again. Whichever a key belongs to, it is begun there or nowhere, for both clients.
  gates[0]!.open();
  await blockers[0];
  for (const idempotencyKey of keys) {
    const before = gates[0]!.state.started;
    const calls = [first, second].map((client) => client.run("gate", {}, { idempotencyKey }));
    const begun = await Promise.all(
      calls.map(({ id }) =>
        id.then(
          () => true,
          () => false,
        ),
      ),
    );
    expect(begun[0]).toBe(begun[1]);
    expect(gates[0]!.state.started - before).toBe(begun[0] === true ? 1 : 0);
    gates[0]!.open();
    await Promise.all(calls.map(({ outcome }) => outcome));
  }
  expect(gates[1]!.state.started).toBe(1);
  gates[1]!.open();
  await blockers[1];
});

test("a list of runs names the instances that are there and did not answer", async () => {
  const service = await startService([{ commands }]);
  const client = await service.client({ limits: { connectTimeoutMs: 120_000 } });
  await client.run("say", { text: "hello" }).outcome;
  service.invent({ instance: "silent000001" });
  const { runs, missing } = await client.runs();
  expect(runs).toMatchObject([{ command: "say" }]);
  expect(missing).toEqual(["silent000001"]);
  expect((await client.runs({ limit: 1 })).runs).toHaveLength(1);
});

test("everybody is told who calls, what there is, and what is planned, by one instance or by all", async () => {
  const planned = defineCommand({
    name: "planned",
    args: z.object({}),
    schedule: { cron: "0 4 * * *", timeZone: "UTC" },
    run: () => 1,
  });
  const service = await startService([{ commands: [planned] }, { commands: [planned] }]);
  const client = await service.client();
  expect(await client.whoAmI()).toMatchObject({ owner: "alice" });
  expect(await client.echo({ a: 1 })).toEqual({ a: 1 });
  expect(await client.schedules()).toMatchObject([{ command: "planned" }]);
  expect(await client.list()).toMatchObject([{ name: "planned" }]);
  expect(client.protocol).toBe(2);
  expect(await client.instances()).toMatchObject(
    service.instances.map(({ instance }) => ({ instance, state: "ready", places: 64, running: 0 })),
  );
  await service.instances[0]!.crash();
  expect(await client.whoAmI()).toMatchObject({ owner: "alice" });
  expect(await client.list()).toMatchObject([{ name: "planned" }]);
});
