/** Several instances share requests without a session: none is refused while one of them has room. */
import { describe, expect, test } from "vitest";
import { decodeBeat, encodeBeat, type Beat } from "#iscep/nats/beat";
import { belongsToGroup, withRoom } from "#iscep/doors/nats/parts/other-instances";
import { callSubjects } from "#iscep/nats/call-subjects";
import { natsProof } from "#iscep/nats/request-header";
import { addToken } from "#iscep/identity/tokens-writer";
import { headers } from "@nats-io/transport-node";
import { defineCommand, type Door } from "iscep";
import { gate } from "../../support/commands.js";
import { watchForLeaks } from "../../support/leaks.js";
import { stallingProxy } from "../../support/stalling-proxy.js";
import { NatsServer, natsServerProgram } from "../../support/nats-server.js";
import { knows, plainCaller, startInstance, type Answer, type Instance } from "../../support/nats-service.js";
import { until } from "../../support/until.js";

watchForLeaks();

function beat(instance: string, state: Beat["state"], running = 0, places = 4): Beat {
  return { instance, version: "1.0.0", startedAt: 1, state, running, waiting: 0, places, commands: 1 };
}

test("an instance that is full leaves the group while another has room, but one always stays", () => {
  const [a, b, c] = ["AAAAAAAAAAAA", "BBBBBBBBBBBB", "CCCCCCCCCCCC"];
  expect(belongsToGroup(beat(a, "ready"), [beat(b, "ready")])).toBe(true);
  expect(belongsToGroup(beat(b, "full"), [beat(a, "ready")])).toBe(false);
  expect(belongsToGroup(beat(a, "full"), [beat(b, "ready")])).toBe(true);
  expect(belongsToGroup(beat(b, "full"), [beat(a, "full"), beat(c, "full")])).toBe(true);
  expect(belongsToGroup(beat(b, "full"), [beat(a, "draining"), beat(c, "ready")])).toBe(true);
  expect(belongsToGroup(beat(a, "draining"), [beat(b, "full")])).toBe(false);
  expect(belongsToGroup(beat(a, "full"), [])).toBe(true);
});

test("a request goes to the one with the most room, which has not had it yet", () => {
  const beats = [beat("A", "ready", 3), beat("B", "ready", 1), beat("C", "full", 0), beat("D", "ready", 1, 100)];
  expect(withRoom(beats, []).map(({ instance }) => instance)).toEqual(["D", "B", "A"]);
  expect(withRoom(beats, ["D", "A"]).map(({ instance }) => instance)).toEqual(["B"]);
});

/** Lets all runs go that have begun, until nobody waits for an answer. */
async function openedUntil(
  gates: readonly ReturnType<typeof gate>[],
  answers: readonly Promise<Answer>[],
): Promise<Answer[]> {
  let isOver = false;
  const all = Promise.all(answers).finally(() => (isOver = true));
  await until(() => {
    for (const { open } of gates) open();
    return isOver;
  });
  return all;
}

const subject = callSubjects.call("world", "slow");

describe.skipIf(natsServerProgram === undefined)("with a broker", () => {
  const three = async (nats: NatsServer): Promise<ReturnType<typeof gate>[]> => {
    const gates = [gate("slow"), gate("slow"), gate("slow")];
    for (const { command } of gates)
      await startInstance(nats, { commands: [command], limits: { maxRuns: 2, maxQueuedRuns: 1 } });
    return gates;
  };

  test("as many requests begin as there are places anywhere, and then they wait", async () => {
    const nats = await NatsServer.start();
    const gates = await three(nats);
    const caller = await plainCaller(nats);
    const begun = (): number => gates.reduce((sum, { state }) => sum + state.started, 0);
    const answers = [];
    // They come one after the other, because a place that was taken in this very moment is not known elsewhere.
    for (let count = 1; count <= 6; count++) {
      answers.push(caller.request(subject));
      await until(() => begun() === count);
    }
    answers.push(caller.request(subject));
    for (const answer of await openedUntil(gates, answers))
      expect(answer.body).toMatchObject({ status: "completed", value: "through" });
    expect(gates.every(({ state }) => state.started >= 2)).toBe(true);
  });

  test("a burst of requests is refused only where no instance has room, nor a place to wait", async () => {
    const nats = await NatsServer.start();
    const gates = await three(nats);
    const caller = await plainCaller(nats);
    const answers = Array.from({ length: 30 }, () => caller.request(subject));
    await until(() => gates.every(({ state }) => state.started === 2));
    const all = await openedUntil(gates, answers);
    const busy = all.filter(({ body }) => body["code"] === "busy");
    expect(all.length - busy.length).toBeGreaterThanOrEqual(6);
    for (const { status } of busy) expect(status).toBe(503);
  });

  test("an instance that closes hands over what it has not begun, and no caller notices", async () => {
    const nats = await NatsServer.start();
    const quick = defineCommand({ name: "quick", run: () => new Promise((resolve) => setImmediate(() => resolve(1))) });
    const start = (): Promise<Instance> => startInstance(nats, { commands: [quick], limits: { maxRuns: 2 } });
    const instances = [await start(), await start(), await start()];
    const caller = await plainCaller(nats);
    let failed = 0;
    let done = 0;
    const over = new AbortController();
    const callers = Array.from({ length: 4 }, async () => {
      while (!over.signal.aborted) {
        const { status } = await caller.request(callSubjects.call("world", "quick"));
        if (status !== 200) failed++;
        done++;
      }
    });
    const progress = async (): Promise<void> => {
      const before = done;
      await until(() => done > before + 100);
    };
    await progress();
    await instances[0]?.server.close({ graceMs: 5_000 });
    await progress();
    over.abort();
    await Promise.all(callers);
    expect(failed).toBe(0);
  });

  test("an instance that closes hands a request to a full one when no other is there, and it waits there", async () => {
    const nats = await NatsServer.start();
    const proxy = await stallingProxy(nats.port);
    const [closing, full] = [gate("slow"), gate("slow")];
    const { server } = await startInstance(nats, { commands: [closing.command] }, proxy.port);
    const { id } = await startInstance(nats, { commands: [full.command], limits: { maxRuns: 1 } });
    const caller = await plainCaller(nats);
    const states: string[] = [];
    caller.broker.subscribe("iscep.world.beat", ({ data }) => {
      const { instance, state } = decodeBeat(data);
      if (instance === id) states.push(state);
    });
    const first = caller.request(callSubjects.to("world", id, "slow"));
    await until(() => states.includes("full"));
    // The request comes to the first instance when that has begun to close.
    proxy.stall();
    const second = caller.request(subject);
    await caller.broker.connection.flush();
    const closed = server.close({ graceMs: 10_000 });
    proxy.heal();
    for (const { body } of await openedUntil([full], [first, second])) expect(body).toMatchObject({ value: "through" });
    await closed;
    expect([closing.state.started, full.state.started]).toEqual([0, 2]);
  });

  test("a request that waits at an instance which closes is handed over, even when all others are full", async () => {
    const nats = await NatsServer.start();
    const gates = [gate("slow"), gate("slow"), gate("slow")] as const;
    const instances: Instance[] = [];
    for (const { command } of gates)
      instances.push(await startInstance(nats, { commands: [command], limits: { maxRuns: 1 } }));
    const caller = await plainCaller(nats);
    const waiting = new Map<string, number>();
    caller.broker.subscribe("iscep.world.beat", ({ data }) => {
      const { instance, waiting: count } = decodeBeat(data);
      waiting.set(instance, count);
    });
    const answers = instances.map(({ id }) => caller.request(callSubjects.to("world", id, "slow")));
    for (const { started } of gates) await started(1);
    answers.push(caller.request(subject));
    await until(() => [...waiting.values()].includes(1));
    const at = instances.findIndex(({ id }) => waiting.get(id) === 1);
    const closed = instances[at]?.server.close({ graceMs: 20_000 });
    for (const { body } of await openedUntil(gates, answers))
      expect(body).toMatchObject({ status: "completed", value: "through" });
    await closed;
    expect(gates[at]?.state.started).toBe(1);
  });

  test("a request for one instance waits there, while others have room", async () => {
    const nats = await NatsServer.start();
    const [full, other] = [gate("slow"), gate("slow")];
    const { id } = await startInstance(nats, { commands: [full.command], limits: { maxRuns: 1 } });
    await startInstance(nats, { commands: [other.command] });
    const caller = await plainCaller(nats);
    const states: number[] = [];
    caller.broker.subscribe("iscep.world.beat", ({ data }) => {
      const { instance, waiting } = decodeBeat(data);
      if (instance === id) states.push(waiting);
    });
    const answers = [1, 2].map(() => caller.request(callSubjects.to("world", id, "slow")));
    await until(() => states.includes(1));
    for (const { body } of await openedUntil([full], answers)) expect(body).toMatchObject({ value: "through" });
    expect([full.state.started, other.state.started]).toEqual([2, 0]);
  });

  test("an instance that closes says to those who give it a request at that moment that it does not take it", async () => {
    const nats = await NatsServer.start();
    const proxy = await stallingProxy(nats.port);
    const running = gate("slow");
    // This door closes in the turn in which that of NATS does.
    let closing = (): void => {};
    const whenClosing = new Promise<void>((resolve) => (closing = resolve));
    const beside: Door = {
      open: async () => ({ url: "beside:" }),
      drain: async () => {},
      close: async () => closing(),
    };
    const instance = { commands: [running.command], limits: { lingerTimeoutMs: 20_000 }, doors: [beside] };
    const { server, id } = await startInstance(nats, instance, proxy.port);
    const caller = await plainCaller(nats);
    const states: string[] = [];
    caller.broker.subscribe("iscep.world.beat", ({ data }) => states.push(decodeBeat(data).state));
    const busy = server.client({ source: "test" });
    const run = busy.call("slow");
    await running.started(1);
    const closed = server.close({ graceMs: 20_000 });
    await until(() => states.includes("draining"));
    // What the broker sent it before this request, the instance has heard by now.
    await caller.request(callSubjects.to("world", id, "nothing"));
    proxy.stall();
    const given = headers();
    given.set("Iscep-Reply", "_INBOX.caller");
    given.set("Iscep-Tried", "BBBBBBBBBBBB");
    const answer = caller.broker.connection.request(callSubjects.to("world", id, "slow"), "", {
      headers: given,
      timeout: 20_000,
    });
    await caller.broker.connection.flush();
    running.open();
    await whenClosing;
    proxy.heal();
    expect((await answer).string()).toBe("no");
    await Promise.all([closed, run, busy.close()]);
  });

  test("a request that comes when the last instance with room closes is no request to nobody", async () => {
    const nats = await NatsServer.start();
    // A server that closes gives its doors only `lingerTimeoutMs` to leave.
    const limits = { maxRuns: 1, natsLeaveMs: 2_000, lingerTimeoutMs: 20_000 };
    const start = async () => {
      const [proxy, slow] = [await stallingProxy(nats.port), gate("slow")];
      const { server, id } = await startInstance(nats, { commands: [slow.command], limits }, proxy.port);
      return { proxy, slow, server, id };
    };
    const [one, other] = [await start(), await start()];
    // Only the instance with the lowest id stays in the group when all are full.
    const open = one.id < other.id ? one : other;
    const full = open === one ? other : one;
    const caller = await plainCaller(nats);
    const states: string[] = [];
    caller.broker.subscribe("iscep.world.beat", ({ data }) => {
      const { instance, state } = decodeBeat(data);
      states.push(`${instance} ${state}`);
    });
    const first = caller.request(callSubjects.to("world", full.id, "slow"));
    await until(() => states.includes(`${full.id} full`));
    // What the broker sent it before this request, the open one has heard by now.
    await caller.request(callSubjects.to("world", open.id, "nothing"));
    // The full one hears late that the open one closes.
    full.proxy.stall();
    const closed = open.server.close({ graceMs: 20_000 });
    await until(() => states.includes(`${open.id} draining`));
    const second = caller.request(subject);
    await caller.broker.connection.flush();
    full.proxy.heal();
    for (const { body } of await openedUntil([open.slow, full.slow], [first, second]))
      expect(body).toMatchObject({ value: "through" });
    await closed;
    expect([full.slow, open.slow].map(({ state }) => state.started)).toEqual([2, 0]);
  });

  test("a request that is too long to be handed over is refused as one that never began", async () => {
    const nats = await NatsServer.start({ maxPayload: 4_000 });
    const proxy = await stallingProxy(nats.port);
    const commands = [defineCommand({ name: "quick", run: () => "done" })];
    const { server } = await startInstance(nats, { commands }, proxy.port);
    const caller = await plainCaller(nats);
    caller.broker.publish("iscep.world.beat", encodeBeat(beat("AAAAAAAAAAAA", "ready")));
    // The request comes to the instance when that has begun to close.
    proxy.stall();
    const answer = caller.request(callSubjects.call("world", "quick"), `{}${" ".repeat(3_998)}`);
    await caller.broker.connection.flush();
    const closed = server.close({ graceMs: 10_000 });
    proxy.heal();
    expect((await answer).body).toMatchObject({ code: "closed", detail: "the server closes; nothing was begun" });
    await closed;
  });

  test("an instance that is full carries only what a token proves, and only so much at once", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const full = gate("slow");
    const limits = { maxRuns: 1, natsMaxRequests: 4 };
    const { server, tokensFile } = await startInstance(nats, { commands: [full.command], tokens: {}, limits });
    const { token } = await addToken(tokensFile, { owner: "ada" });
    await knows(server, token);
    const caller = await plainCaller(nats);
    const make = (): string => natsProof({ token, service: "world", command: "slow" });
    const first = caller.request(subject, "", { "Iscep-Proof": make() });
    await full.started(1);
    // A stranger invents an instance with room, which says nothing to what it gets, until all else has its answer.
    let carried = 0;
    let speak = (): void => {};
    const silent = new Promise<void>((resolve) => (speak = resolve));
    const invented = "EVIL00000000";
    caller.broker.subscribe(`${callSubjects.allTo("world", invented)}>`, (message) => {
      carried++;
      void silent.then(() => message.respond("no"));
    });
    caller.broker.publish("iscep.world.beat", encodeBeat(beat(invented, "ready", 0, 1_000)));
    const forged = (): string => `${make().slice(0, -6)}AAAAAA`;
    const spoiled = ["x", `to=any,time=${Date.now()},nonce=0123456789abcdef`, forged(), forged(), forged()];
    const refused = await Promise.all(spoiled.map((proof) => caller.request(subject, "", { "Iscep-Proof": proof })));
    for (const { body } of refused) expect(body).toMatchObject({ code: "unauthorized" });
    expect(carried).toBe(0);
    const many = Array.from({ length: 30 }, () => caller.request(subject, "", { "Iscep-Proof": make() }));
    let busy = 0;
    for (const answer of many) void answer.then(({ body }) => body["code"] === "busy" && busy++);
    await until(() => carried + busy === many.length);
    expect(carried).toBeGreaterThan(0);
    expect(carried).toBeLessThanOrEqual(2 * limits.natsMaxRequests);
    speak();
    const [begun] = await openedUntil([full], [first, ...many]);
    expect(begun?.body).toMatchObject({ value: "through" });
  });

  test("a request that was given to an instance which says nothing is lost, and its caller hears so", async () => {
    const nats = await NatsServer.start();
    const full = gate("slow");
    await startInstance(nats, { commands: [full.command], limits: { maxRuns: 1, natsHandOverMs: 100 } });
    const caller = await plainCaller(nats);
    const first = caller.request(subject);
    await full.started(1);
    // The one with the lowest id stays in the group, and this is the full one.
    const invented = "zzzzzzzzzzzz";
    caller.broker.subscribe(`${callSubjects.allTo("world", invented)}>`, () => {});
    caller.broker.publish("iscep.world.beat", encodeBeat(beat(invented, "ready", 0, 1_000)));
    expect((await caller.request(subject)).body).toMatchObject({ code: "lost" });
    const [begun] = await openedUntil([full], [first]);
    expect(begun?.body).toMatchObject({ value: "through" });
  });

  test("a request that was handed over counts once, however often it comes again", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const first = gate("slow");
    const second = gate("slow");
    const limits = { maxRuns: 1 };
    const one = await startInstance(nats, { commands: [first.command], tokens: {}, limits });
    const { tokensFile } = one;
    const other = await startInstance(nats, { commands: [second.command], tokensFile, limits });
    const { token } = await addToken(tokensFile, { owner: "ada" });
    const caller = await plainCaller(nats);
    const ask = (proof: string): ReturnType<typeof caller.request> =>
      caller.request(subject, "", { "Iscep-Proof": proof });
    const make = (): string => natsProof({ token, service: "world", command: "slow" });
    for (const { server } of [one, other]) await knows(server, token);
    const proofs = [make(), make()];
    const answers = [ask(proofs[0] ?? "")];
    await until(() => first.state.started + second.state.started === 1);
    answers.push(ask(proofs[1] ?? ""));
    await until(() => first.state.started === 1 && second.state.started === 1);
    for (let time = 0; time < 4; time++) answers.push(...proofs.map(ask));
    first.open();
    second.open();
    const runs = new Set((await Promise.all(answers)).map(({ body }) => body["run"]));
    expect(runs.size).toBe(2);
    expect(first.state.started + second.state.started).toBe(2);
  });
});
