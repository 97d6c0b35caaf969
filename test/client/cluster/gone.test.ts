import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineCommand } from "iscep";
import { gate } from "../../support/commands.js";
import { errorOf } from "../../support/error-of.js";
import { watchForLeaks } from "../../support/leaks.js";
import { startService } from "../../support/tcp-service.js";

watchForLeaks();

const quick = { natsGoneMs: 1_000 };

describe("runs of an instance that is gone", () => {
  test("are lost, in every form, and begin nowhere again", async () => {
    const [here, there] = [gate(), gate()];
    const service = await startService([{ commands: [here.command] }]);
    const client = await service.client({ limits: quick });
    const idempotencyKey = "once";
    const call = errorOf(client.call("gate", {}));
    const run = client.run("gate", {});
    const keyed = errorOf(client.call("gate", {}, { idempotencyKey }));
    const follower = client.attach(await run.id);
    await here.started(3);
    await service.add({ commands: [there.command] });
    // Its connections stay open, as those over a broker do.
    service.instances[0]!.isSilent = true;
    expect(await call).toMatchObject({ code: "lost" });
    expect(await run.outcome).toMatchObject({ status: "lost" });
    expect(await follower.outcome).toMatchObject({ status: "lost" });
    expect(await keyed).toMatchObject({
      code: "lost",
      message: expect.stringContaining(service.instances[0]!.instance),
    });
    // Who calls again hears the truth, and who looks for the run as well.
    expect(await errorOf(client.call("gate", {}, { idempotencyKey }))).toMatchObject({ code: "lost" });
    expect(await client.run("gate", {}, { idempotencyKey }).outcome).toMatchObject({ status: "lost" });
    expect(await errorOf(client.cancel(await run.id))).toMatchObject({ code: "lost" });
    expect(await client.attach(await run.id).outcome).toMatchObject({ status: "lost" });
    expect(there.state.started).toBe(0);
    const next = client.call("gate", {});
    await there.started(1);
    there.open();
    expect(await next).toBe("through");
    here.open();
  });

  test("with a key are lost as soon as their instance cannot be reached, and begin nowhere again", async () => {
    const gates = [gate(), gate()];
    const service = await startService(gates.map(({ command }) => ({ commands: [command] })));
    const client = await service.client({ limits: { natsGoneMs: 5_000, natsPauseMs: 1 } });
    const idempotencyKey = "once";
    const first = client.run("gate", {}, { idempotencyKey });
    await first.id;
    const index = gates.findIndex(({ state }) => state.started === 1);
    const began = service.instances[index]!;
    // It goes on to tell of itself, as one does of which the broker has not heard that it is gone.
    await began.server.close({ graceMs: 0 });
    await first.outcome;
    for (let retry = 0; retry < 20; retry++) {
      const { status } = await client.run("gate", {}, { idempotencyKey }).outcome;
      expect(status).toBe("lost");
      expect(await errorOf(client.call("gate", {}, { idempotencyKey }))).toMatchObject({ code: "lost" });
    }
    expect(gates.reduce((sum, { state }) => sum + state.started, 0)).toBe(1);
  });

  test("go on when the client itself has stood still for longer than that, and has heard nothing", async () => {
    const held = gate();
    const service = await startService([{ commands: [held.command] }]);
    const client = await service.client({ limits: { natsGoneMs: 300 } });
    const run = client.run("gate", {});
    await run.id;
    await held.started(1);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
    held.open();
    expect(await run.value).toBe("through");
  });

  test("are found again when only the way to them was cut", async () => {
    const held = gate();
    const service = await startService([{ commands: [held.command] }]);
    const client = await service.client({ limits: quick });
    const told: string[] = [];
    client.on("reconnecting", () => told.push("reconnecting"));
    client.on("connected", () => told.push("connected"));
    const run = client.run("gate", {});
    await held.started(1);
    service.cut();
    expect(await errorOf(client.instances())).toMatchObject({ code: "connect_failed" });
    // This is longer than an instance may be silent.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    service.heal();
    held.open();
    expect(await run.value).toBe("through");
    expect(told).toEqual(["reconnecting", "connected"]);
    expect(held.state.started).toBe(1);
  });

  test("end where they are when their instance says that it leaves", async () => {
    const [here, there] = [gate(), gate()];
    const service = await startService([{ commands: [here.command] }, { commands: [there.command] }]);
    const [first] = service.instances;
    const client = await service.client({ limits: quick });
    const run = client.run("gate", {}, { to: first!.instance });
    await here.started(1);
    first!.tell({ state: "draining" });
    const others = [client.call("gate", {}), client.call("gate", {})];
    await there.started(2);
    here.open();
    there.open();
    expect(await run.value).toBe("through");
    await Promise.all(others);
    first!.tell({ state: "left" });
    first!.isSilent = true;
    expect((await client.instances()).map(({ instance }) => instance)).toEqual([service.instances[1]!.instance]);
  });
});

test("whatever instances come, close or crash meanwhile, no call runs twice, and each has one end", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ at: fc.nat(60), what: fc.constantFrom("crash", "close", "add", "silence") }), {
        maxLength: 5,
      }),
      fc.array(fc.boolean(), { minLength: 60, maxLength: 60 }),
      async (events, keyed) => {
        const begun = new Map<number, number>();
        const work = defineCommand({
          name: "work",
          args: z.object({ call: z.int() }),
          run: async ({ call }) => {
            begun.set(call, (begun.get(call) ?? 0) + 1);
            await new Promise((resolve) => setTimeout(resolve, call % 7));
            return call;
          },
        });
        const options = { commands: [work], limits: { maxRuns: 2, maxQueuedRuns: 30 }, logs: false };
        const service = await startService([options, options]);
        const client = await service.client({ limits: { natsGoneMs: 300 } });
        const ends: Promise<string>[] = [];
        for (let call = 0; call < 60; call++) {
          for (const { what } of events.filter(({ at }) => at === call)) {
            const instance = service.instances[call % service.instances.length]!;
            if (what === "add") await service.add(options);
            else if (what === "crash") void instance.crash();
            else if (what === "silence") instance.isSilent = true;
            else void instance.leave();
          }
          const key = keyed[call] === true ? { idempotencyKey: `key ${call}` } : {};
          const made = call % 3 === 0 ? client.run("work", { call }, key).value : client.call("work", { call }, key);
          ends.push(
            made.then(
              (value) => (value === call ? "completed" : "wrong"),
              (error: unknown) => (error as { code: string }).code,
            ),
          );
          if (call % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        const codes = await Promise.all(ends);
        expect([...begun.values()].every((times) => times === 1)).toBe(true);
        for (const [call, code] of codes.entries()) {
          expect(["completed", "lost", "cancelled", "busy", "connect_failed", "closed"]).toContain(code);
          if (code === "completed") expect(begun.get(call)).toBe(1);
          if (["busy", "connect_failed", "closed"].includes(code)) expect(begun.get(call)).toBe(undefined);
        }
        await client.close();
      },
    ),
    { numRuns: 12 },
  );
}, 60_000);
