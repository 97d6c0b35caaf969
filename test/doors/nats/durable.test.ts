/** Durable calls: submitted while nobody serves, begun once, and never gone without a word. */
import { describe, expect, test } from "vitest";
import { defaultLimits, defineCommand, type Limits } from "iscep";
import { addToken, removeToken } from "#iscep/identity/tokens-writer";
import type { Broker } from "#iscep/nats/broker";
import { callSubjects } from "#iscep/nats/call-subjects";
import { durableState, submitDurable, type DurableCall, type DurableState } from "#iscep/nats/queue/durable";
import { openWorkQueue } from "#iscep/nats/queue/work-queue";
import { gate } from "../../support/commands.js";
import { errorOf } from "../../support/error-of.js";
import { watchForLeaks } from "../../support/leaks.js";
import { NatsServer, natsServerProgram, type NatsServerOptions } from "../../support/nats-server.js";
import { plainCaller, startInstance } from "../../support/nats-service.js";
import { until } from "../../support/until.js";

watchForLeaks();

const limits: Partial<Limits> = { natsRedeliverMs: 500 };
const counted = { runs: 0 };
const count = defineCommand({ name: "count", run: () => ++counted.runs });

async function brokerFor(
  options: NatsServerOptions = { jetStream: true },
): Promise<{ nats: NatsServer; broker: Broker }> {
  counted.runs = 0;
  const nats = await NatsServer.start(options);
  const { broker } = await plainCaller(nats);
  return { nats, broker };
}

function submit(broker: Broker, more: Partial<DurableCall> = {}): Promise<string> {
  const call = { service: "world", command: "count", payload: "{}", ...more };
  return submitDurable(broker, call, { ...defaultLimits, ...limits });
}

/** An instance on a busy machine takes its time to answer. */
const stateOf = (broker: Broker, run: string, natsHandOverMs = 15_000): Promise<DurableState | undefined> =>
  durableState(broker, "world", run, { natsHandOverMs });

async function endOf(broker: Broker, run: string): Promise<DurableState | undefined> {
  let state: DurableState | undefined;
  // It is asked again soon, as a broker that is killed answers nothing.
  await until(async () => (state = await stateOf(broker, run, 1_000))?.state === "ended");
  return state;
}

describe.skipIf(natsServerProgram === undefined)("with a broker", () => {
  test("a call that was submitted while nobody serves begins when an instance comes, under the id that its caller got", async () => {
    const { nats, broker } = await brokerFor();
    const run = await submit(broker);
    expect(await stateOf(broker, run)).toBeUndefined();
    const { server, id } = await startInstance(nats, { commands: [count], limits });
    expect(await endOf(broker, run)).toEqual({ state: "ended", instance: id, status: "completed" });
    const client = server.client({ source: "test" });
    expect(await client.attach(run).value).toBe(1);
    expect((await client.runs({ run })).runs).toMatchObject([{ run, command: "count", status: "completed" }]);
    await client.close();
    expect(await stateOf(broker, "01890000-0000-7000-8000-000000000000")).toEqual({ state: "unknown" });
    expect(await stateOf(broker, "x.>")).toEqual({ state: "unknown" });
  });

  test("calls wait while all instances are full, and are told so", async () => {
    const { nats, broker } = await brokerFor();
    const slow = gate("slow");
    await startInstance(nats, { commands: [slow.command], limits: { ...limits, maxRuns: 1 } });
    const runs = [await submit(broker, { command: "slow" }), await submit(broker, { command: "slow" })];
    await slow.started(1);
    const states = await Promise.all(runs.map(async (run) => (await stateOf(broker, run))?.state));
    expect(states.toSorted()).toEqual(["started", "waiting"]);
    slow.open();
    await slow.started(2);
    slow.open();
    for (const run of runs) expect(await endOf(broker, run)).toMatchObject({ status: "completed" });
  });

  test("many calls are shared by several instances, and each is run once", async () => {
    const { nats, broker } = await brokerFor();
    for (let instance = 0; instance < 3; instance++) await startInstance(nats, { commands: [count], limits });
    const runs = await Promise.all(Array.from({ length: 60 }, () => submit(broker)));
    for (const run of runs) expect(await endOf(broker, run)).toMatchObject({ status: "completed" });
    expect(counted.runs).toBe(60);
  });

  test("a message that is put into the queue again, by anybody, starts nothing", async () => {
    const { nats, broker } = await brokerFor();
    await startInstance(nats, { commands: [count], limits });
    // Then the stream is there. A listener of the subject would hide that it is not.
    await endOf(broker, await submit(broker));
    const copies: [string, Uint8Array, string][] = [];
    broker.subscribe(`${callSubjects.submits("world")}>`, ({ subject, data, headers }) =>
      copies.push([subject, data, headers?.get("Iscep-Proof") ?? ""]),
    );
    const run = await submit(broker);
    await endOf(broker, run);
    const [[subject, data, proof] = ["", new Uint8Array(), ""]] = copies;
    const caller = await plainCaller(nats);
    for (let time = 0; time < 3; time++) await caller.request(subject, data, { "Iscep-Proof": proof });
    await endOf(broker, await submit(broker));
    expect(counted.runs).toBe(3);
    // Nor is it a request for an instance.
    const answer = await caller.request(callSubjects.call("world", "count"), data, { "Iscep-Proof": proof });
    expect(answer.body).toMatchObject({ code: "unauthorized" });
  });

  test("the token must be valid when the call begins, and nothing of it may be changed", async () => {
    const { nats, broker } = await brokerFor();
    const first = await startInstance(nats, { commands: [count], tokens: {}, limits });
    const { tokensFile } = first;
    const ada = (await addToken(tokensFile, { owner: "ada" })).token;
    const gone = (await addToken(tokensFile, { owner: "gone" })).token;
    await first.server.close();
    const good = await submit(broker, { token: ada });
    const revoked = await submit(broker, { token: gone });
    const nobody = await submit(broker);
    await removeToken(tokensFile, "gone");
    const seen: [string, string][] = [];
    const listened = broker.subscribe(`${callSubjects.submits("world")}>`, ({ subject, headers }) =>
      seen.push([subject, headers?.get("Iscep-Proof") ?? ""]),
    );
    const honest = await submit(broker, { token: ada });
    await until(() => seen.length === 1);
    listened.unsubscribe();
    const caller = await plainCaller(nats);
    const [[subject, proof] = ["", ""]] = seen;
    await caller.request(subject, '{ "a": 1 }', { "Iscep-Proof": proof });
    // The proof belongs to another run, and the last message has none.
    const other = `${callSubjects.submits("world")}01890000-0000-7000-8000-000000000000.count`;
    await caller.request(other, "{}", { "Iscep-Proof": proof });
    await caller.request(other, "{}");
    const { server } = await startInstance(nats, { commands: [count], tokensFile, limits });
    for (const run of [good, honest]) expect(await endOf(broker, run)).toMatchObject({ status: "completed" });
    // Nobody can tell these from a message that somebody without a token has invented, so they leave nothing behind.
    for (const run of [revoked, nobody]) await until(async () => (await stateOf(broker, run))?.state === "unknown");
    expect(counted.runs).toBe(2);
    await server.close();
  });

  test("who changes a call that waits, or sends one in its name, does not take its place", async () => {
    const { nats, broker } = await brokerFor();
    const first = await startInstance(nats, { commands: [count], tokens: {}, limits });
    const token = (await addToken(first.tokensFile, { owner: "ada" })).token;
    await first.server.close();
    const seen: [string, string][] = [];
    const spy = await plainCaller(nats);
    spy.broker.subscribe(`${callSubjects.submits("world")}>`, ({ subject, headers }) =>
      seen.push([subject, headers?.get("Iscep-Proof") ?? ""]),
    );
    await spy.broker.connection.flush();
    const honest = await submit(broker, { token });
    await until(() => seen.length === 1);
    const [[subject, proof] = ["", ""]] = seen;
    // The broker's operator could take the call away, and put another one there.
    const queue = await openWorkQueue(spy.broker, "world", defaultLimits);
    await queue.streams.purge("iscep_world");
    await spy.request(subject, '{ "a": 1 }', { "Iscep-Proof": proof });
    await spy.request(subject, "{}", { "Iscep-Proof": proof });
    await startInstance(nats, { commands: [count], tokensFile: first.tokensFile, limits });
    expect(await endOf(broker, honest)).toMatchObject({ status: "completed" });
    expect(counted.runs).toBe(1);
  });

  test("a broker without JetStream, and one that is full, say so to the submitter", async () => {
    const without = await brokerFor({});
    expect(await errorOf(submit(without.broker))).toMatchObject({
      code: "busy",
      message: expect.stringMatching(/has no JetStream for us/),
    });
    const { broker } = await brokerFor();
    const full = { ...defaultLimits, natsMaxDurableCalls: 3 };
    const call = { service: "world", command: "count", payload: JSON.stringify({ text: "x".repeat(1_000) }) };
    const error = await errorOf(async () => {
      for (let calls = 0; calls < 20; calls++) await submitDurable(broker, call, full);
    });
    expect(error).toMatchObject({ code: "busy", message: expect.stringMatching(/JetStream .* is full/) });
    const large = { ...call, payload: JSON.stringify({ text: "x".repeat(70_000) }) };
    expect(await errorOf(submitDurable(broker, large, defaultLimits))).toMatchObject({
      code: "too_large",
      message: expect.stringMatching(/natsMaxDurableCallBytes/),
    });
    const larger = { ...call, payload: JSON.stringify({ text: "x".repeat(2_000_000) }) };
    const mostBytes = { ...defaultLimits, natsMaxDurableCallBytes: 64 * 2 ** 20 };
    expect(await errorOf(submitDurable(broker, larger, mostBytes))).toMatchObject({
      code: "too_large",
      message: expect.stringMatching(/max_payload of the broker/),
    });
    // The stream was made with less than this caller may send.
    const other = await errorOf(submitDurable(broker, large, mostBytes));
    expect(other).toMatchObject({ code: "too_large", message: expect.stringMatching(/no message of this size/) });
  });

  test("a call that its instance cannot begin is told to be rejected, and begins nowhere", async () => {
    const { nats, broker } = await brokerFor();
    const slow = gate("slow");
    const { run } = slow.command;
    const one = defineCommand({ name: "one", concurrency: { limit: 1, whenFull: "reject" }, run });
    const two = defineCommand({ name: "two", concurrency: { limit: 1, whenFull: "queue" }, run });
    const first = await startInstance(nats, { commands: [one, two], limits });
    const begun = [await submit(broker, { command: "one" }), await submit(broker, { command: "two" })];
    await slow.started(2);
    const full = await submit(broker, { command: "one" });
    expect(await endOf(broker, full)).toMatchObject({ status: "rejected", code: "busy" });
    const waiting = await submit(broker, { command: "two" });
    await until(async () => (await stateOf(broker, waiting))?.state === "started");
    const closed = first.server.close();
    expect(await endOf(broker, waiting)).toMatchObject({ status: "rejected" });
    let begunElsewhere = 0;
    const elsewhere = ["one", "two"].map((name) => defineCommand({ name, run: () => void begunElsewhere++ }));
    const later = await startInstance(nats, { commands: elsewhere, limits });
    slow.open();
    await closed;
    for (const id of begun) expect(await endOf(broker, id)).toMatchObject({ status: "completed" });
    expect(await endOf(broker, await submit(broker, { command: "one" }))).toMatchObject({ instance: later.id });
    expect(begunElsewhere).toBe(1);
    expect(slow.state.started).toBe(2);
  });

  test("a call that never began leaves its key to the next one, and a run keeps it", async () => {
    const { nats, broker } = await brokerFor();
    const slow = gate("slow");
    const { run } = slow.command;
    const one = defineCommand({ name: "one", concurrency: { limit: 1, whenFull: "reject" }, run });
    await startInstance(nats, { commands: [one], limits });
    const keyed = { command: "one", headers: { "Idempotency-Key": "night" } };
    const first = await submit(broker, { command: "one" });
    await slow.started(1);
    for (let time = 0; time < 2; time++)
      expect(await endOf(broker, await submit(broker, keyed))).toMatchObject({ status: "rejected", code: "busy" });
    slow.open();
    await endOf(broker, first);
    const begun = await submit(broker, keyed);
    await slow.started(2);
    slow.open();
    expect(await endOf(broker, begun)).toMatchObject({ status: "completed" });
    const other = await submit(broker, { ...keyed, payload: '{"a":1}' });
    expect(await endOf(broker, other)).toMatchObject({ status: "rejected", code: "invalid_arguments" });
    const again = await submit(broker, keyed);
    await until(async () => (await stateOf(broker, again))?.state === "joined");
    expect(await stateOf(broker, again)).toEqual({ state: "joined", run: begun });
  });

  test("a call outlives a restart of the broker, before and while an instance has it", async () => {
    const { nats, broker } = await brokerFor();
    const slow = gate("slow");
    const early = await submit(broker, { command: "slow" });
    await nats.restart();
    await startInstance(nats, { commands: [slow.command], limits });
    await slow.started(1);
    await nats.restart({}, "SIGKILL");
    slow.open();
    expect(await endOf(broker, early)).toMatchObject({ status: "completed" });
    expect(slow.state.started).toBe(1);
  });
});
