/** The dispatcher with commands that have a limit of their own, without sockets: every ending gives its place back. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { anonymous } from "#iscep/model/identity";
import { defineCommand } from "#iscep/commands/define";
import { Registry } from "#iscep/commands/registry";
import { Dispatcher } from "#iscep/dispatcher";
import { IscepError } from "#iscep/errors";
import { resolveLimits } from "#iscep/limits/limits";
import type { Run } from "#iscep/runs/run/run";
import type { Outcome } from "#iscep/model/outcome";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

function endOf(run: Run): Promise<Outcome> {
  return new Promise((resolve) => run.whenEnded(resolve));
}

/** Runs wait in it until they are told how to end; it knows how many of each world there are at once. */
function stage() {
  const working = new Map<string, { world: string; end: (how: "complete" | "throw" | "ignore") => void }>();
  const most = new Map<string, number>();
  const begun: { world: string; id: string }[] = [];
  const run = ({ world, id }: { world: string; id: string }, context: { signal: AbortSignal }) => {
    begun.push({ world, id });
    return new Promise<string>((resolve, reject) => {
      let ignores = false;
      const done = (settle: () => void) => {
        working.delete(id);
        settle();
      };
      context.signal.addEventListener("abort", () => {
        if (!ignores) done(() => reject(context.signal.reason as Error));
      });
      working.set(id, {
        world,
        end: (how) => {
          // A function that goes on after it was stopped keeps its place until it has ended.
          if (how === "ignore") ignores = true;
          else done(how === "throw" ? () => reject(new Error("thrown")) : () => resolve(id));
        },
      });
      const now = [...working.values()].filter((work) => work.world === world).length;
      most.set(world, Math.max(now, most.get(world) ?? 0));
    });
  };
  return { working, most, begun, run };
}

const args = z.object({ world: z.string(), id: z.string() });

test("whatever ends a run, in whatever order: the limit holds, the queue keeps its order, and no place is lost", async () => {
  const step = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ call: fc.constantFrom("nether", "end"), timeoutMs: fc.constantFrom(1, 60_000) }),
    },
    { weight: 2, arbitrary: fc.record({ end: fc.nat(10), how: fc.constantFrom("complete", "throw", "ignore") }) },
    { weight: 1, arbitrary: fc.record({ cancel: fc.nat(10) }) },
    { weight: 1, arbitrary: fc.constant({ passes: true }) },
  );
  const whenFull = fc.constantFrom("queue", "reject", "replace", "join");
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      whenFull,
      fc.integer({ min: 1, max: 3 }),
      async (steps, way, limit) => {
        const { working, most, begun, run } = stage();
        const command = defineCommand({
          name: "back_up",
          args,
          concurrency: { limit, key: "{world}", whenFull: way },
          run,
        });
        const limits = resolveLimits({ maxRuns: 3, maxQueuedRuns: 5 });
        const dispatcher = new Dispatcher({ registry: new Registry([command]), limits });
        const runs: { run: Run; ended: Promise<Outcome> }[] = [];
        const call = (world: string, timeoutMs: number) => {
          const id = String(runs.length);
          const started = dispatcher.start(anonymous, "back_up", { world, id }, { source: "test", timeoutMs });
          runs.push({ run: started, ended: endOf(started) });
        };
        for (const given of steps) {
          if ("call" in given) call(given.call, given.timeoutMs);
          else if ("end" in given) [...working.values()][given.end]?.end(given.how);
          else if ("cancel" in given) {
            runs[given.cancel]?.run.abort(new IscepError("cancelled"));
          } else await turn();
        }
        // Ignored signals too end at last.
        while (dispatcher.activeRuns > 0) {
          for (const work of working.values()) work.end("complete");
          await turn();
        }
        await Promise.all(runs.map(({ ended }) => ended));
        for (const world of ["nether", "end"]) expect(most.get(world) ?? 0).toBeLessThanOrEqual(limit);
        // With several places at once, one that finds a free place begins in the turn of its call, and one whose wait has
        // just ended in the next one.
        for (const world of limit === 1 ? ["nether", "end"] : []) {
          const order = begun.filter((begin) => begin.world === world).map(({ id }) => Number(id));
          expect(order).toEqual(order.toSorted((a, b) => a - b));
        }
        // A place that was handed to a run which has ended is given back a turn later.
        await turn();
        // All places are there again: as many as may run begin at once.
        const first = runs.length;
        for (let index = 0; index < limit; index++) call("nether", 60_000);
        expect([...working.keys()]).toEqual(Array.from({ length: limit }, (_, index) => String(first + index)));
        for (const work of working.values()) work.end("complete");
        await Promise.all(runs.map(({ ended }) => ended));
        await dispatcher.close(0);
      },
    ),
    { numRuns: 150 },
  );
});

test("calls of one key begin in the order in which they came, and hold up no other key", async () => {
  const { working, begun, run } = stage();
  const command = defineCommand({ name: "back_up", args, concurrency: { limit: 1, key: "{world}" }, run });
  const dispatcher = new Dispatcher({ registry: new Registry([command]), limits: resolveLimits({ maxRuns: 2 }) });
  const start = (world: string, id: string) =>
    endOf(dispatcher.start(anonymous, "back_up", { world, id }, { source: "test" }));
  const ends = ["1", "2", "3", "4", "5"].map((id) => start("nether", id));
  // Those who wait for their key take no place of the server.
  ends.push(start("end", "other"));
  expect(begun.map(({ id }) => id)).toEqual(["1", "other"]);
  while (dispatcher.activeRuns > 0) {
    for (const work of working.values()) work.end("complete");
    await turn();
  }
  expect(begun.map(({ id }) => id)).toEqual(["1", "other", "2", "3", "4", "5"]);
  expect((await Promise.all(ends)).map(({ status }) => status)).toEqual(Array(6).fill("completed"));
  await dispatcher.close(0);
});

test("a thousand invented keys leave nothing behind, and a thousand in one queue begin one after the other", async () => {
  let atOnce = 0;
  let most = 0;
  const command = defineCommand({
    name: "brief",
    args: z.object({ key: z.string() }),
    concurrency: { limit: 1, key: ({ key }) => key, maxQueued: 1_000 },
    run: async () => {
      most = Math.max(most, ++atOnce);
      await turn();
      atOnce--;
    },
  });
  const limits = resolveLimits({ maxRuns: 1_000, maxQueuedRuns: 1_000 });
  const dispatcher = new Dispatcher({ registry: new Registry([command]), limits });
  const start = (key: string) => endOf(dispatcher.start(anonymous, "brief", { key }, { source: "test" }));
  const apart = await Promise.all(Array.from({ length: 1_000 }, (_, index) => start(String(index))));
  expect(new Set(apart.map(({ status }) => status))).toEqual(new Set(["completed"]));
  expect(most).toBe(1_000);
  most = 0;
  const inLine = await Promise.all(Array.from({ length: 1_000 }, () => start("same")));
  expect(new Set(inLine.map(({ status }) => status))).toEqual(new Set(["completed"]));
  expect(most).toBe(1);
  await dispatcher.close(0);
});

test("a key function that throws, or gives no text, refuses the call and tells its author", async () => {
  const errors: unknown[] = [];
  const logs = { access: () => {}, command: () => {}, error: (event: unknown) => errors.push(event) };
  const wrong: unknown[] = [
    () => {
      throw new Error("no such member");
    },
    () => 7,
  ];
  for (const key of wrong) {
    const command = defineCommand({ name: "odd", concurrency: { limit: 1, key: key as () => string }, run: () => 1 });
    const dispatcher = new Dispatcher({
      registry: new Registry([command]),
      limits: resolveLimits(),
      logs: { ...logs, close: () => Promise.resolve() },
    });
    const run = dispatcher.start(anonymous, "odd", {}, { source: "test" });
    expect(run.outcome).toMatchObject({ status: "rejected", error: { code: "internal" } });
    await dispatcher.close(0);
  }
  expect(errors).toMatchObject([
    { message: "no such member" },
    { message: "the concurrency key of a command must be a string, not number" },
  ]);
});
