/** Calls that are taken back from where they wait, while the answer of that instance is under way. */
import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { gate } from "../../support/commands.js";
import { watchForLeaks } from "../../support/leaks.js";
import { startService, type TestInstance } from "../../support/tcp-service.js";
import { until } from "../../support/until.js";

watchForLeaks();

/** The client gives up a place that it keeps for a call after this time, which is more than the 500 ms it is patient. */
const impatientMs = 700;

/** Two instances with one place each, and both are taken. */
async function fullService() {
  const gates = [gate(), gate()];
  const limits = { maxRuns: 1, maxQueuedRuns: 8 };
  const service = await startService(gates.map(({ command }) => ({ commands: [command], limits })));
  const full = { state: "full", running: 1 } as const;
  const blockers = (await service.client()).all("gate", {});
  await Promise.all(gates.map(({ started }) => started(1)));
  for (const instance of service.instances) instance.tell(full);
  const open = (): void => {
    for (const each of gates) each.open();
  };
  const holder = async (): Promise<TestInstance> => {
    await until(() => service.instances.some(hasWaiting));
    return service.instances.find(hasWaiting)!;
  };
  /** The instance where the call waits has given it back, and the client does not know it yet. */
  const takeBack = async () => {
    const from = await holder();
    const other = service.instances.find((each) => each !== from);
    const release = service.holdLinks();
    other!.tell({ state: "ready", running: 0, places: 8 });
    await until(() => !hasWaiting(from));
    return { other: other!, release };
  };
  return { service, gates, blockers, full, open, holder, takeBack };
}

function hasWaiting({ server }: TestInstance): boolean {
  return server.metrics().includes("iscep_runs_waiting 1");
}

describe("calls that are taken back", () => {
  test.each(["call", "run"] as const)("a %s waits on, however late each instance says it", async (kind) => {
    const { service, blockers, full, open, holder, takeBack } = await fullService();
    const client = await service.client();
    await client.list();
    const value = kind === "call" ? client.call("gate", { tag: "mine" }) : client.run("gate", { tag: "mine" }).value;
    value.catch(() => {});
    for (let time = 0; time < 3; time++) {
      const { other, release } = await takeBack();
      await pause(impatientMs);
      other.tell(full);
      release();
      await Promise.race([value, holder()]);
    }
    open();
    // The call may have waited behind none, one or two others.
    const opening = setInterval(open, 20);
    expect(await value.finally(() => clearInterval(opening))).toBe("mine");
    await blockers.outcomes;
  });

  test.each([
    ["with", {}],
    ["without", { output: false }],
  ])("a run %s output whose id is asked for meanwhile tells that of its next place", async (_, options) => {
    const { service, blockers, open, takeBack } = await fullService();
    const client = await service.client();
    await client.list();
    const run = client.run("gate", { tag: "mine" }, options);
    const { release } = await takeBack();
    const id = run.id;
    release();
    const opening = setInterval(open, 20);
    const outcome = await run.outcome.finally(() => clearInterval(opening));
    expect(outcome).toMatchObject({ status: "completed", value: "mine" });
    const { runs } = await client.runs({ run: await id });
    expect(runs).toMatchObject([{ status: "completed" }]);
    await blockers.outcomes;
  });
});
