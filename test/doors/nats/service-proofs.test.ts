/** The proof of a single request, on a real broker: what counts, what does not, and what comes a second time. */
import { describe, expect, test, vi } from "vitest";
import { defineCommand } from "iscep";
import { addToken, removeToken, type NewToken } from "#iscep/identity/tokens-writer";
import { callSubjects } from "#iscep/nats/call-subjects";
import { isNatsAnswer, keysOf, natsProof, type NatsAnswer } from "#iscep/nats/request-header";
import { proofHeader } from "#iscep/session/request-proof";
import { gate } from "../../support/commands.js";
import { watchForLeaks } from "../../support/leaks.js";
import { NatsServer, natsServerProgram } from "../../support/nats-server.js";
import {
  knows,
  plainCaller,
  startInstance,
  type Answer,
  type Instance,
  type PlainCaller,
} from "../../support/nats-service.js";
import { until } from "../../support/until.js";

watchForLeaks();

const counted = { runs: 0 };
const count = defineCommand({ name: "count", run: () => ++counted.runs });
const refuse = defineCommand({ name: "refuse", run: () => 1 });

interface Stage {
  readonly nats: NatsServer;
  readonly instance: Instance;
  readonly token: string;
  readonly caller: PlainCaller;
  readonly slow: ReturnType<typeof gate>;
  /** Sends it with this proof. */
  send(proof: string, command?: string, payload?: string, headers?: Readonly<Record<string, string>>): Promise<Answer>;
}

async function stage(jetStream = true): Promise<Stage> {
  counted.runs = 0;
  const nats = await NatsServer.start({ jetStream });
  const slow = gate("slow");
  const instance = await startInstance(nats, { commands: [count, refuse, slow.command], tokens: {} });
  const caller = await plainCaller(nats);
  const { token } = await ownerOf(instance, "ada");
  const send: Stage["send"] = (proof, command = "count", payload = "{}", headers = {}) =>
    caller.request(callSubjects.call("world", command), payload, { "Iscep-Proof": proof, ...headers });
  return { nats, instance, token, caller, slow, send };
}

async function ownerOf({ server, tokensFile }: Instance, owner: string): Promise<NewToken> {
  const made = await addToken(tokensFile, { owner });
  await knows(server, made.token);
  return made;
}

const request = { service: "world", command: "count", payload: "{}" };

describe.skipIf(natsServerProgram === undefined)("with a broker", () => {
  test("a good proof is its owner, and one for the instance needs no JetStream", async () => {
    const { instance, token, caller, send } = await stage(false);
    const to = { to: instance.id };
    const answer = await send(natsProof({ ...request, ...to, token }));
    expect(answer.body).toMatchObject({ status: "completed", value: 1, run: expect.any(String) });
    const subject = callSubjects.to("world", instance.id, "count");
    const direct = await caller.request(subject, "{}", { "Iscep-Proof": natsProof({ ...request, ...to, token }) });
    expect(direct.body).toMatchObject({ value: 2 });
    const any = await send(natsProof({ ...request, token }));
    expect(any.body).toMatchObject({ code: "busy", detail: expect.stringMatching(/needs JetStream/) });
    expect(counted.runs).toBe(2);
  });

  test("nothing of a request may be another than what was proven", async () => {
    const { instance, token, send } = await stage();
    const sign = (more: object = {}): string => natsProof({ ...request, token, ...more });
    const stranger = "isct_PROTOCOLpage_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopq3hhDd5";
    const fixed = (timeMs: number): string =>
      proofHeader(
        { ...request, payload: Buffer.from("{}"), to: "any", timeMs, nonce: "AAECAwQFBgcICQoLDA0ODw", headers: {} },
        keysOf(token),
      );
    const cases: readonly (readonly [string, () => Promise<Answer>])[] = [
      ["no proof", () => send("")],
      ["another command", () => send(sign({ command: "refuse" }))],
      ["other arguments", () => send(sign(), "count", '{ "a": 1 }')],
      ["another service", () => send(sign({ service: "moon" }))],
      ["another instance", () => send(sign({ to: "AAAAAAAAAAAA" }))],
      ["an instance instead of all", () => send(sign().replace("to=any", `to=${instance.id}`))],
      ["another nonce", () => send(sign().replace(/nonce=..../, "nonce=AAAA"))],
      ["another time", () => send(sign().replace(/time=(\d+)/, (_, time) => `time=${Number(time) - 1}`))],
      [
        "a longer wait",
        () => send(sign({ headers: { "Iscep-Timeout": "5" } }), "count", "{}", { "Iscep-Timeout": "9" }),
      ],
      ["a header that was not proven", () => send(sign(), "count", "{}", { "iscep-detach": "true" })],
      ["an unknown token", () => send(sign({ token: stranger }))],
      ["a clock that is late", () => send(fixed(Date.now() - 120_000))],
      ["a clock that is ahead", () => send(fixed(Date.now() + 120_000))],
      [
        "a name without a proof",
        () =>
          send(
            sign()
              .replace(/^token=[^,]*,/, "")
              .replace(/,proof=.*/, ""),
          ),
      ],
      ["a proof that is cut", () => send(sign().slice(0, -2))],
    ];
    for (const [what, ask] of cases) {
      const { status, body } = await ask();
      expect([what, status, body["code"]]).toEqual([what, 401, "unauthorized"]);
    }
    expect(counted.runs).toBe(0);
    // A clock may be off by a minute.
    expect((await send(fixed(Date.now() - 60_000))).body).toMatchObject({ value: 1 });
  });

  test("a request that comes again joins its run, while it goes on and after it", async () => {
    const { token, send, slow } = await stage();
    const proof = natsProof({ ...request, token });
    const first = await send(proof);
    const second = await send(proof);
    // Somebody who listened could have sent it, so it has no value.
    expect(second.body).toEqual({ run: first.body["run"], status: "completed" });
    expect(counted.runs).toBe(1);
    const waiting = natsProof({ ...request, command: "slow", token });
    const both = [send(waiting, "slow"), send(waiting, "slow")];
    await slow.started(1);
    const early = await Promise.race(both);
    expect(early.body).toEqual({ run: expect.any(String), status: "running" });
    slow.open();
    const answers = (await Promise.all(both)).map(({ body }) => body);
    expect(answers).toContainEqual({ run: early.body["run"], status: "completed", value: "through" });
    expect(slow.state.started).toBe(1);
  });

  test("a request that was refused stays refused when it comes again", async () => {
    const { token, send } = await stage();
    const proof = natsProof({ ...request, command: "nothing", token });
    expect((await send(proof, "nothing")).body).toMatchObject({ code: "command_not_found" });
    expect((await send(proof, "nothing")).body).toMatchObject({
      code: "unauthorized",
      detail: expect.stringMatching(/was used before/),
    });
  });

  test("a token that was removed proves nothing any more", async () => {
    const { instance, token, send } = await stage();
    expect((await send(natsProof({ ...request, token }))).status).toBe(200);
    await removeToken(instance.tokensFile, "ada");
    await until(async () => (await send(natsProof({ ...request, token }))).status === 401);
  });

  test("a request that comes again at another instance joins its run, and is never run twice", async () => {
    const { nats, instance, token, caller } = await stage();
    const other = await startInstance(nats, { commands: [count], tokensFile: instance.tokensFile });
    await knows(other.server, token);
    const proofs = Array.from({ length: 20 }, () => natsProof({ ...request, token }));
    // The broker gives each of them to one of the two instances, by chance.
    const answers = await Promise.all(
      proofs.flatMap((proof) =>
        Array.from({ length: 6 }, async () => ({
          proof,
          ...(await caller.request(callSubjects.call("world", "count"), "{}", { "Iscep-Proof": proof })),
        })),
      ),
    );
    expect(counted.runs).toBe(20);
    for (const proof of proofs) {
      const of = answers.filter((answer) => answer.proof === proof).map(({ body }) => body);
      expect(new Set(of.map((body) => body["run"])).size).toBe(1);
      expect(of.filter((body) => "value" in body)).toHaveLength(1);
    }
  });

  test("an answer proves that it comes from the service, and was not changed", async () => {
    const { token, send } = await stage();
    const ask = async (command: string): Promise<NatsAnswer> => {
      const sent = natsProof({ ...request, command, token });
      const { message } = await send(sent, command);
      const of = (name: string): string => message.headers?.get(name) ?? "";
      const answer = { token, service: "world", command, sent, payload: message.data };
      return { ...answer, proof: of("Iscep-Proof"), errorCode: of("Nats-Service-Error-Code") };
    };
    const good = await ask("count");
    const bad = await ask("nothing");
    expect([good, bad].map(isNatsAnswer)).toEqual([true, true]);
    const payload = Buffer.from(good.payload).toString().replace("completed", "cancelled");
    const other = natsProof({ ...request, token });
    for (const changed of [
      { payload },
      { errorCode: "500" },
      { command: "slow" },
      { sent: other },
      { service: "moon" },
    ])
      expect(isNatsAnswer({ ...good, ...changed })).toBe(false);
    expect(isNatsAnswer({ ...bad, errorCode: "" })).toBe(false);
    for (const proof of ["", "proof=", good.proof.slice(0, -1), good.sent])
      expect(isNatsAnswer({ ...good, proof })).toBe(false);
  });

  test("a refusal of a proof proves nothing, because a spoiled copy of a request that runs gets one too", async () => {
    const { instance, token, caller, slow, send } = await stage();
    const sent = natsProof({ ...request, command: "slow", token });
    const running = send(sent, "slow");
    await slow.started(1);
    const stale = proofHeader(
      {
        service: "world",
        command: "slow",
        to: "any",
        timeMs: Date.now() - 600_000,
        nonce: "n".repeat(22),
        headers: {},
        payload: Buffer.from("{}"),
      },
      keysOf(token),
    );
    const subject = callSubjects.to("world", instance.id, "slow");
    const refusals = [
      await send(sent, "slow", '{"x":1}'),
      await send(sent, "slow", "{}", { "Iscep-Timeout": "1" }),
      await send(sent, "count"),
      await caller.request(subject, '{"x":1}', { "Iscep-Proof": sent }),
      await send(stale, "slow"),
    ];
    for (const { body, message } of refusals) {
      expect(body["code"]).toBe("unauthorized");
      expect(message.headers?.get("Iscep-Proof") ?? "").toBe("");
    }
    slow.open();
    const { message } = await running;
    const proof = message.headers?.get("Iscep-Proof") ?? "";
    expect(isNatsAnswer({ token, service: "world", command: "slow", sent, proof, payload: message.data })).toBe(true);
    expect(slow.state.started).toBe(1);
  });

  test("a full instance believes no stranger that says it takes a request, and stays in the group", async () => {
    counted.runs = 0;
    const nats = await NatsServer.start({ jetStream: true });
    const slow = gate("slow");
    const instance = await startInstance(nats, { commands: [count, slow.command], tokens: {}, limits: { maxRuns: 1 } });
    const { token } = await ownerOf(instance, "ada");
    const caller = await plainCaller(nats);
    const ask = (command: string): Promise<Answer> => {
      const proof = natsProof({ ...request, command, payload: "", token });
      return caller.request(callSubjects.call("world", command), "", { "Iscep-Proof": proof });
    };
    const first = ask("slow");
    await slow.started(1);
    // Invented instances: one with a lower id that is full, and one with much room.
    const stranger = await plainCaller(nats);
    const beat = { version: "1", startedAt: 1, running: 0, waiting: 0, places: 1_000, commands: 2 };
    const tell = (id: string, state: string): void =>
      stranger.broker.publish("iscep.world.beat", JSON.stringify({ ...beat, instance: id, state }));
    let given = 0;
    stranger.broker.subscribe(`${callSubjects.allTo("world", "000000000001")}>`, (message) => {
      given++;
      message.respond("taken");
    });
    tell("000000000000", "full");
    tell("000000000001", "ready");
    // Nobody listens there.
    tell("000000000002", "ready");
    await stranger.broker.connection.flush();
    const second = ask("count");
    await until(() => given > 0);
    slow.open();
    expect((await first).body).toMatchObject({ value: "through" });
    expect((await second).body).toMatchObject({ status: "completed", value: 1 });
  });

  test("a flood of requests without a proof gets few answers, and the others get theirs", async () => {
    const { nats, token, send } = await stage();
    const stranger = await plainCaller(nats);
    let answers = 0;
    stranger.broker.subscribe("_INBOX.flood.x", () => answers++);
    const beganMs = performance.now();
    for (let count = 0; count < 2_000; count++)
      stranger.broker.connection.publish(callSubjects.call("world", "count"), "{}", { reply: "_INBOX.flood.x" });
    for (let count = 0; count < 2_000; count++)
      stranger.broker.connection.publish("$SRV.INFO", "", { reply: "_INBOX.flood.x" });
    await stranger.broker.connection.flush();
    expect((await send(natsProof({ ...request, token }))).body).toMatchObject({ value: 1 });
    await stranger.broker.connection.flush();
    expect(answers).toBeGreaterThan(0);
    // A hundred of each kind at once, and a hundred more in each second.
    const seconds = (performance.now() - beganMs) / 1_000;
    expect(answers).toBeLessThan((2 + seconds) * 2 * 100);
  });

  test("the memory of requests is bounded, and what it cannot remember is refused", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const limits = { natsMaxRememberedRequests: 3 };
    const instance = await startInstance(nats, { commands: [count], tokens: {}, limits });
    const caller = await plainCaller(nats);
    const ask = (token: string): Promise<Answer> =>
      caller.request(callSubjects.call("world", "count"), "{}", { "Iscep-Proof": natsProof({ ...request, token }) });
    const ada = (await ownerOf(instance, "ada")).token;
    const bob = (await ownerOf(instance, "bob")).token;
    for (let time = 0; time < 3; time++) expect((await ask(ada)).status).toBe(200);
    expect((await ask(ada)).body).toMatchObject({ code: "busy" });
    expect((await ask(bob)).status).toBe(200);
  });
});

test("natsProof says what is wrong", () => {
  const token = "isct_PROTOCOLpage_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopq3hhDd5";
  expect(() => natsProof({ ...request, token, to: "x.>" })).toThrow(/no id of an instance/);
  expect(() => natsProof({ ...request, token, service: "a.b" })).toThrow(/no name of a service/);
  expect(() => natsProof({ ...request, token, headers: { More: "1" } as object })).toThrow(/and not "More"/);
  vi.useFakeTimers({ now: 1_700_000_000_000, toFake: ["Date"] });
  try {
    expect(natsProof({ ...request, token })).toMatch(
      /^token=\S{24},to=any,time=1700000000000,nonce=\S{22},proof=\S{43}$/,
    );
  } finally {
    vi.useRealTimers();
  }
});
