/** What somebody can do who may publish on the subjects of a service, and has no token. */
import { expect, test } from "vitest";
import { gate, originalTasks } from "../../support/commands.js";
import { watchForLeaks } from "../../support/leaks.js";
import { startService } from "../../support/tcp-service.js";

watchForLeaks();

/** A call that waited for one that never answers would take longer than its test may. */
const patient = { connectTimeoutMs: 120_000 };

test("an invented instance with much room holds up no call, however often it is told", async () => {
  const held = gate();
  const service = await startService([{ commands: [...originalTasks, held.command], limits: { maxRuns: 1 } }]);
  const client = await service.client({ limits: patient });
  for (let index = 0; index < 20; index++) {
    service.invent({ instance: "impostor0001" });
    service.invent({ instance: `impostor1${String(index).padStart(3, "0")}` });
    expect(await client.call("add", { a: index, b: 1 })).toBe(index + 1);
    expect(await client.run("add", { a: index, b: 1 }).value).toBe(index + 1);
  }
  expect((await client.list()).length).toBe(originalTasks.length + 1);
  expect(await client.whoAmI()).toMatchObject({ owner: "alice" });
  expect((await client.runs()).runs.length).toBeGreaterThan(0);
  expect(await client.call("add", { a: 1, b: 1 }, { idempotencyKey: "one" })).toBe(2);
  // One that must wait for its turn waits at an instance that is there.
  const first = client.call("gate", {});
  await held.started(1);
  const second = client.call("gate", {});
  held.open();
  await held.started(2);
  held.open();
  expect(await Promise.all([first, second])).toEqual(["through", "through"]);
});

test("more invented instances than a client knows push out none that has proven itself", async () => {
  const service = await startService([{ commands: originalTasks }]);
  const client = await service.client({ limits: { ...patient, maxKnownInstances: 4 } });
  expect(await client.call("add", { a: 1, b: 1 })).toBe(2);
  for (let index = 0; index < 50; index++) service.invent({ instance: `impostor${String(index).padStart(4, "0")}` });
  expect(await client.call("add", { a: 2, b: 2 })).toBe(4);
  // A real one that comes later gets a place among those that prove nothing.
  const later = await service.add({ commands: originalTasks });
  expect(await client.call("add", { a: 3, b: 3 }, { to: later.instance })).toBe(6);
});

test("a forged word that an instance has left ends no run there, and soon it is called again", async () => {
  const held = gate();
  const service = await startService([{ commands: [held.command] }]);
  const client = await service.client({ limits: { ...patient, natsGoneMs: 1_000 } });
  const run = client.run("gate", {});
  await held.started(1);
  const { instance } = service.instances[0]!;
  service.invent({ instance, state: "left" });
  const call = client.call("gate", {}, { to: instance });
  await held.started(2);
  // For longer than it would take to find that one has left.
  for (let round = 0; round < 3; round++) {
    service.invent({ instance, state: "left" });
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  held.open();
  expect(await Promise.all([run.value, call])).toEqual(["through", "through"]);
  expect(held.state.started).toBe(2);
});
