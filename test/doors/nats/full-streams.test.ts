/** A full stream or bucket refuses what is new. Messages without a valid token take no room from those with one. */
import path from "node:path";
import { jetstreamManager, type JetStreamManager } from "@nats-io/jetstream";
import { headers } from "@nats-io/transport-node";
import { describe, expect, test } from "vitest";
import { defaultLimits, defineCommand, type Limits } from "iscep";
import { addToken } from "#iscep/identity/tokens-writer";
import type { Broker } from "#iscep/nats/broker";
import { callSubjects } from "#iscep/nats/call-subjects";
import { Claims } from "#iscep/nats/queue/claims";
import { durableState, submitDurable } from "#iscep/nats/queue/durable";
import { openWorkQueue } from "#iscep/nats/queue/work-queue";
import { proofHeader, queuedRunId } from "#iscep/session/request-proof";
import { errorOf } from "../../support/error-of.js";
import { watchForLeaks } from "../../support/leaks.js";
import { NatsServer, natsServerProgram } from "../../support/nats-server.js";
import { plainCaller, startInstance } from "../../support/nats-service.js";
import { readLogs } from "../../support/servers.js";
import { until } from "../../support/until.js";

watchForLeaks();

async function brokerWithStreams(): Promise<{ nats: NatsServer; broker: Broker; manager: JetStreamManager }> {
  const nats = await NatsServer.start({ jetStream: true });
  const { broker } = await plainCaller(nats);
  return { nats, broker, manager: await jetstreamManager(broker.connection) };
}

const counted = { runs: 0 };
const count = defineCommand({ name: "count", run: () => ++counted.runs });

/** Messages of somebody without a token who may publish into the queue. Each has an id that fits its proof. */
function invented(index: number): { subject: string; proof: string } {
  const nonce = `invented-by-nobody-${index}`;
  const request = { service: "world", command: "count", to: "queue", timeMs: Date.now(), nonce };
  const proven = { ...request, headers: {}, payload: Buffer.from("{}") };
  const stranger = { clientKey: Buffer.alloc(32, 1), storedKey: Buffer.alloc(32, index) };
  const proof = proofHeader(proven, index % 2 === 0 ? undefined : stranger);
  const reference = /token=([^,]+)/.exec(proof)?.[1] ?? "-";
  return { subject: callSubjects.submit("world", queuedRunId(proven, reference), "count"), proof };
}

describe.skipIf(natsServerProgram === undefined)("with a broker", () => {
  test("of a full queue no call is lost, whatever the sizes, and one more is refused", async () => {
    const { broker, manager } = await brokerWithStreams();
    for (let most = 1; most <= 12; most++) {
      const service = `full-${most}`;
      const limits: Limits = { ...defaultLimits, natsMaxDurableCalls: most, natsMaxDurableCallBytes: 4_096 };
      const accepted: string[] = [];
      const errors: unknown[] = [];
      for (let call = 0; call < most + 4; call++) {
        const payload = JSON.stringify({ text: "x".repeat((call * 379 + most * 13) % 2_000) });
        await submitDurable(broker, { service, command: "count", payload }, limits).then(
          (run) => accepted.push(run),
          (error: unknown) => errors.push(error),
        );
      }
      // Nor can one be thrown out by somebody who publishes without asking.
      for (let time = 0; time < 4; time++)
        broker.publish(callSubjects.submit(service, `flood${time}`, "x".repeat(200)), "y".repeat(1_000));
      await broker.connection.flush();
      expect(accepted).toHaveLength(most);
      for (const error of errors)
        expect(error).toMatchObject({ code: "busy", message: expect.stringMatching(/is full/) });
      const { state } = await manager.streams.info(`iscep_${service}`);
      expect(state).toMatchObject({ messages: most, first_seq: 1 });
    }
  });

  test("a bucket that is full keeps all claims, and each can still be changed and given back", async () => {
    const { broker } = await brokerWithStreams();
    const claims = new Claims(broker, "few", { keepMs: 60_000, maxClaims: 20 });
    const keys = Array.from({ length: 20 }, (_, index) => `key.${index}`);
    for (const key of keys) await claims.claim(key, "x".repeat(key.length * 7));
    for (let time = 0; time < 5; time++)
      expect(await errorOf(claims.claim(`more.${time}`, "x"))).toMatchObject({ code: "busy" });
    for (const key of keys) await claims.set(key, `changed ${key}`);
    for (const key of keys) expect(await claims.claim(key, "late")).toBe(`changed ${key}`);
    await claims.release("key.3", "another text");
    expect(await claims.claim("key.3", "late")).toBe("changed key.3");
    await claims.release("key.3", "changed key.3");
    expect(await claims.claim("key.3", "free")).toBe("free");
  });

  test("a stream that would remove old calls is not used, and its operator hears what to change", async () => {
    const { broker, manager } = await brokerWithStreams();
    const subjects = ["iscep.world.submit.>"];
    const made = { name: "iscep_world", subjects, retention: "workqueue", discard: "new" } as const;
    await manager.streams.add({ ...made, max_bytes: 10_000_000 });
    const submit = (): Promise<string> =>
      submitDurable(broker, { service: "world", command: "count", payload: "{}" }, defaultLimits);
    expect(await errorOf(submit())).toMatchObject({
      code: "configuration",
      message: expect.stringMatching(/iscep_world .* removes old messages/),
    });
    await manager.streams.update(made.name, { max_msgs: 100, max_msg_size: 50_000 });
    await submit();
    await manager.streams.update(made.name, { max_bytes: -1, max_msgs: -1 });
    await submit();
  });

  test("the consumer that an operator has made keeps its terms", async () => {
    const { broker, manager } = await brokerWithStreams();
    await (await openWorkQueue(broker, "world", defaultLimits)).consumer();
    await manager.consumers.update("iscep_world", "iscep", { ack_wait: 42_000_000_000 });
    const again = await (await openWorkQueue(broker, "world", defaultLimits)).consumer();
    expect((await again.info()).config.ack_wait).toBe(42_000_000_000);
  });

  test("what no token has sent leaves nothing behind, and calls behind it begin at once", async () => {
    const { nats, broker, manager } = await brokerWithStreams();
    counted.runs = 0;
    const limits: Partial<Limits> = { natsMaxClaims: 5, natsRedeliverMs: 60_000 };
    const first = await startInstance(nats, { commands: [count], tokens: {}, limits });
    const { token } = await addToken(first.tokensFile, { owner: "ada" });
    await first.server.close();
    const run = "01890000-0000-7000-8000-000000000000";
    const spoiled = [
      "",
      "x",
      "to=queue",
      "to=queue,time=99999999999999,nonce=0123456789abcdef",
      "token=x,proof=y",
      "\t",
    ];
    const messages = [
      ...Array.from({ length: 40 }, (_, index) => invented(index)),
      ...spoiled.map((proof) => ({ subject: callSubjects.submit("world", run, "count"), proof })),
      ...["x", `${run}.%2E`, `${run}.${"c".repeat(900)}`].map((rest) => ({
        subject: `${callSubjects.submits("world")}${rest}`,
        proof: invented(0).proof,
      })),
    ];
    for (const { subject, proof } of messages) {
      const made = headers();
      made.set("Iscep-Proof", proof);
      broker.publish(subject, "{}", undefined, made);
      broker.publish(subject, Buffer.from([0xff]));
    }
    const call = { service: "world", command: "count", payload: "{}", token };
    const runs = [await submitDurable(broker, call, defaultLimits), await submitDurable(broker, call, defaultLimits)];
    const { folder } = await startInstance(nats, { commands: [count], tokensFile: first.tokensFile, limits });
    for (const each of runs)
      await until(async () => (await durableState(broker, "world", each, defaultLimits))?.state === "ended");
    expect(counted.runs).toBe(2);
    expect((await manager.streams.info("KV_iscep_world")).state.messages).toBe(2);
    expect((await manager.streams.info("iscep_world")).state.messages).toBe(0);
    const dropped = (): number => readLogs(path.join(folder, "logs")).split("a durable call was dropped").length - 1;
    await until(() => dropped() > 0);
    expect(dropped()).toBe(1);
  });

  test("a call that the full bucket refuses to be claimed waits, and is run when there is room", async () => {
    const { nats, broker, manager } = await brokerWithStreams();
    counted.runs = 0;
    const limits: Partial<Limits> = { natsMaxClaims: 1, natsRedeliverMs: 100 };
    const { folder } = await startInstance(nats, { commands: [count], limits });
    const call = { service: "world", command: "count", payload: "{}" };
    const runs = [await submitDurable(broker, call, defaultLimits), await submitDurable(broker, call, defaultLimits)];
    await until(() => readLogs(path.join(folder, "logs")).includes("durable calls are not taken"));
    expect(counted.runs).toBe(1);
    await manager.streams.update("KV_iscep_world", { max_msgs: 2 });
    for (const run of runs)
      await until(async () => (await durableState(broker, "world", run, defaultLimits))?.state === "ended");
    expect(counted.runs).toBe(2);
  });
});
