import { describe, expect, test } from "vitest";
import { connect } from "iscep";
import { gate, originalTasks } from "../../support/commands.js";
import { errorOf } from "../../support/error-of.js";
import { watchForLeaks } from "../../support/leaks.js";
import { startServer, tokens } from "../../support/servers.js";
import { startService } from "../../support/tcp-service.js";

watchForLeaks();

const quick = { natsGoneMs: 1_000 };

describe("a call to all", () => {
  test("has one outcome for each instance, told as they come and all together", async () => {
    const gates = [gate(), gate(), gate()];
    const service = await startService(gates.map(({ command }) => ({ commands: [command] })));
    const client = await service.client({ limits: quick });
    const every = client.all("gate", { tag: "done" });
    const runs = await every.runs;
    const names = service.instances.map(({ instance }) => instance);
    expect(runs.map(({ instance }) => instance)).toEqual(names);
    await Promise.all(gates.map(({ started }) => started(1)));
    const came: string[] = [];
    const order = [2, 0, 1];
    gates[2]!.open();
    for await (const { instance, run, outcome, value } of every) {
      came.push(instance);
      expect({ outcome, value }).toEqual({ outcome: { status: "completed", value: "done" }, value: "done" });
      expect(run).toBe(await runs[order[came.length - 1]!]!.run.id);
      gates[order[came.length] ?? 0]!.open();
    }
    expect(came).toEqual(order.map((index) => names[index]));
    expect((await every.outcomes).map(({ instance }) => instance)).toEqual(names);
  });

  test("tells of those that refuse, close or say nothing, and leaves none out", async () => {
    const [works, closes, silent, full] = [gate(), gate(), gate(), gate()];
    const service = await startService([
      { commands: [works.command] },
      { commands: [closes.command] },
      { commands: [silent.command] },
      { commands: [full.command], limits: { maxRuns: 1, maxQueuedRuns: 0 } },
      { commands: originalTasks },
    ]);
    const client = await service.client({ limits: quick });
    const blocker = client.call("gate", {}, { to: service.instances[3]!.instance });
    await full.started(1);
    const every = client.all("gate", {}, { timeoutMs: 50_000 });
    await Promise.all([works, closes, silent].map(({ started }) => started(1)));
    works.open();
    // It goes on to answer pings, and to have its run, and nobody hears of it any more.
    service.instances[2]!.isSilent = true;
    await service.instances[1]!.crash();
    const outcomes = (await every.outcomes).map(({ outcome }) => [
      "error" in outcome && outcome.error.code,
      outcome.status,
    ]);
    expect(outcomes).toEqual([
      [false, "completed"],
      ["cancelled", "cancelled"],
      ["lost", "lost"],
      ["busy", "rejected"],
      ["command_not_found", "rejected"],
    ]);
    full.open();
    await blocker;
  });

  test("is over when its time is, for those that are there and do not answer", async () => {
    const held = gate();
    const service = await startService([{ commands: [held.command] }]);
    const client = await service.client({ limits: quick });
    const every = client.all("gate", {}, { timeoutMs: 300 });
    expect((await every.outcomes)[0]!.outcome).toMatchObject({ status: "timeout" });
  });

  test("can be cancelled as a whole", async () => {
    const gates = [gate(), gate()];
    const service = await startService(gates.map(({ command }) => ({ commands: [command] })));
    const client = await service.client({ limits: quick });
    const every = client.all("gate", {});
    await Promise.all(gates.map(({ started }) => started(1)));
    every.cancel();
    expect((await every.outcomes).map(({ outcome }) => outcome.status)).toEqual(["cancelled", "cancelled"]);
  });

  test("fails where there is no instance, and without a service", async () => {
    const service = await startService();
    const every = (await service.client({ limits: quick })).all("gate", {});
    expect(await errorOf(every.outcomes)).toMatchObject({ code: "connect_failed" });
    expect(await errorOf(every.runs)).toMatchObject({ code: "connect_failed" });
    const server = await startServer();
    const single = await server.client();
    expect(await errorOf(() => void single.all("add", { a: 1, b: 2 }))).toMatchObject({ code: "usage" });
    expect(await errorOf(single.instances())).toMatchObject({ code: "usage" });
    expect(await errorOf(single.call("add", { a: 1, b: 2 }, { to: "x" }))).toMatchObject({ code: "usage" });
    expect(await single.run("add", { a: 1, b: 2 }, { to: "x" }).outcome).toMatchObject({ error: { code: "usage" } });
    expect(await single.call("add", { a: 1, b: 2 }, { to: "any" })).toBe(3);
    const refused = connect(server.url, { token: tokens.alice, nats: {} });
    expect(await errorOf(refused)).toMatchObject({ code: "usage" });
  });
});
