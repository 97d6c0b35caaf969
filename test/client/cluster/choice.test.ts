import { describe, expect, test } from "vitest";
import { gate } from "../../support/commands.js";
import { errorOf } from "../../support/error-of.js";
import { watchForLeaks } from "../../support/leaks.js";
import { startService } from "../../support/tcp-service.js";
import { until } from "../../support/until.js";

watchForLeaks();

/** Servers with these many places, whose command waits until the test lets it go. */
async function gated(...places: readonly number[]) {
  const gates = places.map(() => gate());
  const limits = (maxRuns: number) => ({ maxRuns, maxQueuedRuns: 8 });
  const service = await startService(
    places.map((maxRuns, index) => ({ commands: [gates[index]!.command], limits: limits(maxRuns) })),
  );
  const started = () => gates.map(({ state }) => state.started);
  const startedInAll = (count: number) => until(() => started().reduce((sum, one) => sum + one, 0) === count);
  return { service, gates, started, startedInAll };
}

describe("calls of one client", () => {
  test("are spread by the places that are left", async () => {
    const { service, gates, started, startedInAll } = await gated(2, 4, 6);
    const client = await service.client();
    const calls = Array.from({ length: 12 }, () => client.call("gate", {}));
    await startedInAll(12);
    expect(started()).toEqual([2, 4, 6]);
    for (const { open } of gates) open();
    expect(await Promise.all(calls)).toHaveLength(12);
  });

  test("take nobody's word for it that all are full: each is asked before a call waits", async () => {
    const { service, gates, startedInAll, started } = await gated(1, 1, 1);
    for (const instance of service.instances) instance.tell({ state: "full", running: 1 });
    const client = await service.client();
    const calls = Array.from({ length: 3 }, () => client.call("gate", {}, { wait: false }));
    await startedInAll(3);
    expect(started()).toEqual([1, 1, 1]);
    for (const { open } of gates) open();
    expect(await Promise.all(calls)).toHaveLength(3);
  });

  test("are refused only when all instances refuse them", async () => {
    const { service, gates, startedInAll } = await gated(1, 1);
    const client = await service.client();
    const calls = Array.from({ length: 2 }, () => client.call("gate", {}));
    await startedInAll(2);
    expect(await errorOf(client.call("gate", {}, { wait: false }))).toMatchObject({ code: "busy" });
    // Eight wait in each queue, and then both are full.
    const waiting = Array.from({ length: 16 }, () => client.call("gate", {}));
    const run = client.run("gate", {});
    await until(async () => (await client.runs({ status: "running" })).runs.length >= 0);
    expect(await run.outcome).toMatchObject({ status: "rejected", error: { code: "busy" } });
    const opening = setInterval(() => {
      for (const { open } of gates) open();
    }, 5);
    expect(await Promise.all([...calls, ...waiting])).toHaveLength(18);
    clearInterval(opening);
  });

  test("go elsewhere when an instance closes, whether it has said so or not", async () => {
    const { service, gates, startedInAll, started } = await gated(4, 4);
    const [first] = service.instances;
    const client = await service.client({ limits: { natsStrangerMs: 30_000 } });
    // A call does not wait for the proofs of all instances, but a list does.
    await client.list();
    const early = Array.from({ length: 2 }, () => client.call("gate", {}));
    await startedInAll(2);
    expect(started()).toEqual([1, 1]);
    const closing = first!.server.close({ graceMs: 20_000 });
    const late = Array.from({ length: 3 }, () => client.call("gate", {}));
    await startedInAll(5);
    expect(started()).toEqual([1, 4]);
    for (const { open } of gates) open();
    expect(await Promise.all([...early, ...late])).toHaveLength(5);
    await closing;
    // Nobody has said that it is gone.
    const after = client.call("gate", {});
    await startedInAll(6);
    expect(started()).toEqual([1, 5]);
    gates[1]!.open();
    expect(await after).toBe("through");
  });

  test("that wait at one instance begin at another one that has room, once", async () => {
    const { service, gates, startedInAll, started } = await gated(1, 1);
    const client = await service.client();
    const calls = Array.from({ length: 2 }, () => client.call("gate", {}));
    await startedInAll(2);
    const waiting = [
      client.call("gate", { tag: "a" }),
      client.run("gate", { tag: "b" }).value,
      client.call("gate", {}),
    ];
    // All that is left is to wait for the second instance. The first one's place is not given back in this test.
    for (let count = 3; count <= 5; count++) {
      gates[1]!.open();
      await startedInAll(count);
      expect(started()[0]).toBe(1);
    }
    for (const { open } of gates) open();
    expect(await Promise.all(calls)).toEqual(["through", "through"]);
    expect(await Promise.all(waiting)).toEqual(["a", "b", "through"]);
    expect(started()).toEqual([1, 4]);
  });

  test("that their options forbid take no place at any instance", async () => {
    const { service, gates, startedInAll, started } = await gated(1, 1);
    const client = await service.client();
    for (let count = 0; count < 4; count++) {
      const { outcome } = client.run("gate", {}, { timeoutMs: Number.NaN });
      expect(await outcome).toMatchObject({ status: "rejected", error: { code: "usage" } });
      expect(await errorOf(client.call("gate", {}, { timeoutMs: Number.NaN }))).toMatchObject({ code: "usage" });
    }
    const calls = Array.from({ length: 2 }, () => client.call("gate", {}));
    await startedInAll(2);
    const waiting = Array.from({ length: 2 }, () => client.call("gate", {}));
    // One of them waits at the first instance. It begins only if the client sees that there is room at the second one.
    for (let count = 3; count <= 4; count++) {
      gates[1]!.open();
      await startedInAll(count);
    }
    expect(started()).toEqual([1, 3]);
    for (const { open } of gates) open();
    expect(await Promise.all([...calls, ...waiting])).toHaveLength(4);
  });

  test.each([
    ["whose link was just being made", true],
    ["whose link has broken and is there again", false],
  ])("that wait at an instance %s begin at another one that has room", async (_, isBeingMade) => {
    for (const kind of ["call", "run"] as const) {
      const { service, gates, startedInAll, started } = await gated(1, 1);
      const [free, full] = service.instances;
      const blockers = (await service.client()).all("gate", {});
      await startedInAll(2);
      const client = await service.client();
      await client.list();
      free!.tell({ state: "full", running: 1, waiting: 20 });
      full!.tell({ state: "full", running: 1 });
      let mayDial = (): void => {};
      const dialling = new Promise<void>((resolve) => (mayDial = resolve));
      const begin = (): Promise<unknown> => (kind === "call" ? client.call("gate", {}) : client.run("gate", {}).value);
      if (isBeingMade) await service.breakLinks(dialling);
      const waiting = begin();
      if (!isBeingMade) {
        await until(async () => (await client.runs()).runs.length === 3);
        await service.breakLinks();
      }
      gates[0]!.open();
      free!.tell({ state: "ready", running: 0, waiting: 0 });
      mayDial();
      await startedInAll(3);
      expect(started()).toEqual([2, 1]);
      for (const { open } of gates) open();
      expect(await waiting).toBe("through");
      expect(await blockers.outcomes).toHaveLength(2);
    }
  });

  test("have a place that becomes free elsewhere before calls that are made then", async () => {
    for (const kind of ["call", "run"] as const) {
      // Two are tried, because the waiting one may wait at the instance whose place becomes free.
      for (const freed of [0, 1]) {
        const { service, gates, started, startedInAll } = await gated(1, 1);
        const client = await service.client();
        const begin = (tag: string): Promise<unknown> =>
          kind === "call" ? client.call("gate", { tag }) : client.run("gate", { tag }).value;
        const order: unknown[] = [];
        const first = [begin("first"), begin("first")];
        await startedInAll(2);
        const waiting = begin("waiting").then((tag) => order.push(tag));
        await until(() => service.instances.some(({ server }) => server.metrics().includes("iscep_runs_waiting 1")));
        const later = Promise.race(first).then(() => begin("later").then((tag) => order.push(tag)));
        gates[freed]!.open();
        await startedInAll(3);
        gates[freed]!.open();
        await until(() => order.length > 0);
        expect(order).toEqual(["waiting"]);
        await startedInAll(4);
        for (const { open } of gates) open();
        await Promise.all([...first, waiting, later]);
        expect(started().reduce((sum, one) => sum + one, 0)).toBe(4);
      }
    }
  });

  test("keep their place when their caller knows the id of the run", async () => {
    const { service, gates, startedInAll, started } = await gated(1, 1);
    const client = await service.client();
    const calls = Array.from({ length: 2 }, () => client.call("gate", {}));
    await startedInAll(2);
    const run = client.run("gate", { tag: "mine" });
    const id = await run.id;
    for (const instance of service.instances) instance.tell();
    gates[0]!.open();
    gates[1]!.open();
    await startedInAll(3);
    const { runs } = await client.runs({ run: id });
    expect(runs).toMatchObject([{ run: id, status: "running" }]);
    for (const { open } of gates) open();
    expect(await run.value).toBe("mine");
    expect(started().reduce((sum, one) => sum + one, 0)).toBe(3);
    await Promise.all(calls);
  });

  test("come to each of three unequal instances as often as in the best split, within 15%", async () => {
    // In each round the first instance ends all of its two runs, the second one in every second round, the third in every fourth.
    const { service, gates, started, startedInAll } = await gated(2, 2, 2);
    const client = await service.client();
    const total = 280;
    let begun = 0;
    const caller = async (): Promise<void> => {
      while (begun < total) {
        begun++;
        await client.call("gate", {});
      }
    };
    const callers = Array.from({ length: 7 }, caller);
    await startedInAll(6);
    let opened = 6;
    for (let round = 1; opened < total; round++) {
      const before = started();
      const ending = gates.filter((_, index) => round % 2 ** index === 0);
      for (const { open } of ending) open();
      opened = Math.min(total, opened + 2 * ending.length);
      await startedInAll(opened);
      expect(started().reduce((sum, one) => sum + one, 0)).toBeGreaterThan(before.reduce((sum, one) => sum + one, 0));
    }
    const shares = started();
    for (const { open } of gates) open();
    await Promise.all(callers);
    // 4 : 2 : 1 of 280.
    for (const [index, best] of [160, 80, 40].entries()) {
      expect(Math.abs((shares[index] ?? 0) - best) / best).toBeLessThan(0.15);
    }
  });

  test("with an instance of their own choice go there or nowhere", async () => {
    const { service, gates, startedInAll, started } = await gated(1, 1);
    const [first, second] = service.instances;
    const client = await service.client();
    const calls = [
      client.call("gate", {}, { to: second!.instance }),
      client.run("gate", {}, { to: first!.instance }).value,
    ];
    await startedInAll(2);
    expect(started()).toEqual([1, 1]);
    const busy = errorOf(client.call("gate", {}, { to: first!.instance, wait: false }));
    expect(await busy).toMatchObject({ code: "busy" });
    for (const { open } of gates) open();
    await Promise.all(calls);
    expect(await errorOf(client.call("gate", {}, { to: "nobodyatall1" }))).toMatchObject({
      code: "connect_failed",
      message: expect.stringContaining("nobodyatall1"),
    });
    expect(await errorOf(client.call("gate", {}, { to: "all" }))).toMatchObject({ code: "usage" });
  });

  test("that no instance can have at all tell why", async () => {
    const service = await startService([{}, {}]);
    const client = await service.client();
    expect(await errorOf(client.call("nothing", {}))).toMatchObject({ code: "command_not_found" });
    expect(await errorOf(client.call("add", { a: 1 }))).toMatchObject({ code: "invalid_arguments" });
    expect(await client.call("add", { a: 1, b: 2 })).toBe(3);
    const nowhere = await startService();
    const error = await errorOf((await nowhere.client()).call("add", { a: 1, b: 2 }));
    expect(error).toMatchObject({ code: "connect_failed", message: expect.stringContaining('no instance of "world"') });
  });

  test("of a command that only one version of the service has find that instance", async () => {
    const only = gate("only");
    const service = await startService([{}, { commands: [only.command] }, {}]);
    const client = await service.client();
    const call = client.call("only", {});
    await only.started(1);
    only.open();
    expect(await call).toBe("through");
    expect((await client.list()).map(({ name }) => name)).toEqual(expect.arrayContaining(["add", "only"]));
  });
});
