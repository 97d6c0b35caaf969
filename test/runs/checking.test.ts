/** Calls whose arguments are being checked hold them, so there is a bound on how many there are. */
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { z } from "zod";
import { declareArguments, defineCommand } from "iscep";
import { Registry } from "#iscep/commands/registry";
import { Dispatcher } from "#iscep/dispatcher";
import { resolveLimits } from "#iscep/limits/limits";
import { anonymous } from "#iscep/model/identity";

test.each(["choices", "schema"])(
  "calls beyond what may begin or wait are busy while others are checked (%s)",
  async (kind) => {
    let refinements = 0;
    let open = (): void => {};
    const opened = new Promise<void>((resolve) => (open = resolve));
    const commands = [
      defineCommand({ name: "worlds", run: () => opened.then(() => ["end"]) }),
      defineCommand({
        name: "choices",
        args: declareArguments({ world: { type: "enum", choices: { from: "worlds" } } }),
        run: ({ world }) => world,
      }),
      defineCommand({
        name: "schema",
        args: z.object({
          world: z.string().refine(() => {
            refinements++;
            return opened.then(() => true);
          }),
        }),
        run: ({ world }) => world,
      }),
    ];
    const limits = resolveLimits({ maxRuns: 2, maxQueuedRuns: 3 });
    const dispatcher = new Dispatcher({ registry: new Registry(commands), limits });
    const start = () =>
      dispatcher.start({ ...anonymous, mayRun: () => true }, kind, { world: "end" }, { source: "unix" });
    const runs = Array.from({ length: 5 }, start);
    const checked = refinements;
    runs.push(...Array.from({ length: 4 }, start));
    expect(refinements).toBe(checked);
    const states = runs.map(({ state, outcome }) => (outcome?.status === "rejected" ? outcome.error.code : state));
    expect(states).toEqual([...Array<string>(5).fill("checking"), ...Array<string>(4).fill("busy")]);
    open();
    while (runs.some(({ outcome }) => outcome === undefined)) await turn();
    expect(runs.filter(({ outcome }) => outcome?.status === "completed")).toHaveLength(5);
    const late = start();
    while (late.outcome === undefined) await turn();
    expect(late.outcome.status).toBe("completed");
    await dispatcher.close(0);
  },
);

test.each([
  ["long texts", (size: number) => ["x".repeat(size)]],
  ["many small objects", (size: number) => Array.from({ length: size / 64 }, () => ({}))],
])("calls beyond the memory of arguments are busy while others are checked: %s", async (_, listOf) => {
  let refinements = 0;
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  const command = defineCommand({
    name: "store",
    args: z.object({
      list: z.unknown().refine(() => {
        refinements++;
        return opened.then(() => true);
      }),
    }),
    run: () => "stored",
  });
  const limits = resolveLimits({ maxCheckedArgumentsBytes: 1_000_000 });
  const dispatcher = new Dispatcher({ registry: new Registry([command]), limits });
  const start = (size: number) =>
    dispatcher.start({ ...anonymous, mayRun: () => true }, "store", { list: listOf(size) }, { source: "unix" });
  const runs = [400_000, 400_000, 400_000].map(start);
  const checked = refinements;
  runs.push(start(64), start(400_000));
  expect(refinements).toBe(checked);
  const states = runs.map(({ state, outcome }) => (outcome?.status === "rejected" ? outcome.error.code : state));
  expect(states).toEqual(["checking", "checking", "checking", "busy", "busy"]);
  open();
  while (runs.some(({ outcome }) => outcome === undefined)) await turn();
  const late = start(2_000_000);
  while (late.outcome === undefined) await turn();
  expect(late.outcome.status).toBe("completed");
  await dispatcher.close(0);
});
