/** The service of ADR-32 on a real broker: what `nats micro` reads, and requests without a session. */
import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineCommand, defineScript, IscepError } from "iscep";
import { callSubjects } from "#iscep/nats/call-subjects";
import { gate, originalTasks } from "../../support/commands.js";
import { watchForLeaks } from "../../support/leaks.js";
import { microValidators } from "../../support/micro-schemas.js";
import { NatsServer, natsServerProgram } from "../../support/nats-server.js";
import { plainCaller, startInstance, type Answer, type PlainCaller } from "../../support/nats-service.js";
import { until } from "../../support/until.js";

watchForLeaks();

type Verb = keyof typeof microValidators;

interface Endpoint {
  readonly name: string;
  readonly subject: string;
  readonly num_requests: number;
  readonly num_errors: number;
  readonly last_error: string;
  readonly processing_time: number;
  readonly average_processing_time: number;
  readonly metadata: Readonly<Record<string, string>>;
}

async function asked(caller: PlainCaller, verb: Verb, target = ""): Promise<Record<string, unknown>> {
  const { body } = await caller.request(`$SRV.${verb}${target}`);
  const validate = microValidators[verb];
  expect(validate(body) ? "" : JSON.stringify(validate.errors)).toBe("");
  return body;
}

async function endpoints(caller: PlainCaller, verb: "INFO" | "STATS"): Promise<Endpoint[]> {
  return (await asked(caller, verb, ".world"))["endpoints"] as Endpoint[];
}

const call = (command: string): string => callSubjects.call("world", command);

describe.skipIf(natsServerProgram === undefined)("with a broker", () => {
  test("PING, INFO and STATS are answered by their schemas, for all, for a name and for an instance", async () => {
    const nats = await NatsServer.start();
    const { id } = await startInstance(nats);
    const caller = await plainCaller(nats);
    for (const verb of Object.keys(microValidators) as Verb[]) {
      for (const target of ["", ".world", `.world.${id}`]) {
        expect(await asked(caller, verb, target)).toMatchObject({ name: "world", id, metadata: { server: "iscep" } });
      }
    }
  });

  test("each command is an endpoint with its schema, and endpoints follow the commands", async () => {
    const nats = await NatsServer.start();
    const odd = defineCommand({ name: "db.back-up:now", args: z.object({ to: z.string() }), run: ({ to }) => to });
    const dots = defineCommand({ name: "a..b.", run: () => "dots" });
    const { server } = await startInstance(nats, { commands: [odd, dots] });
    const caller = await plainCaller(nats);
    await until(async () => (await endpoints(caller, "INFO")).length === 2);
    const [first, second] = await endpoints(caller, "INFO");
    expect([first?.name, second?.name]).toEqual(["a__b_", "db_back-up_now"]);
    expect(second?.subject).toBe("iscep.world.call.db.back-up:now");
    expect(JSON.parse(second?.metadata["arguments_schema"] ?? "")).toMatchObject({ required: ["to"] });
    expect((await caller.request(second?.subject ?? "", '{"to":"x"}')).body).toEqual({
      status: "completed",
      value: "x",
    });
    expect((await caller.request(first?.subject ?? "")).body).toEqual({ status: "completed", value: "dots" });
    server.unregister("a..b.");
    server.register(defineCommand({ name: "more", run: () => 1 }));
    await until(async () => (await endpoints(caller, "INFO")).map(({ name }) => name).join() === "db_back-up_now,more");
    expect((await caller.request(call("more"))).body).toMatchObject({ value: 1 });
  });

  test("requests, errors and times are counted for each endpoint, and errors tell no words", async () => {
    const nats = await NatsServer.start();
    const fails = defineCommand({
      name: "fails",
      run: () => {
        throw new IscepError("failed", "the password is hunter2");
      },
    });
    await startInstance(nats, { commands: [...originalTasks, fails] });
    const caller = await plainCaller(nats);
    await until(async () => (await endpoints(caller, "INFO")).length > 1);
    for (let count = 0; count < 3; count++) await caller.request(call("add"), '{"a":1,"b":2}');
    expect((await caller.request(call("add"), '{"a":1}')).status).toBe(422);
    const failed = await caller.request(call("fails"));
    expect(failed.status).toBe(500);
    expect(failed.body).toMatchObject({ code: "failed", detail: "the password is hunter2" });
    const stats = await endpoints(caller, "STATS");
    const of = (name: string): Endpoint | undefined => stats.find((endpoint) => endpoint.name === name);
    expect(of("add")).toMatchObject({ num_requests: 4, num_errors: 1, last_error: "422:invalid_arguments" });
    expect(of("add")?.processing_time).toBeGreaterThan(0);
    expect(of("add")?.average_processing_time).toBe(Math.floor((of("add")?.processing_time ?? 0) / 4));
    expect(of("fails")).toMatchObject({ num_requests: 1, num_errors: 1, last_error: "500:failed" });
    expect(JSON.stringify(stats)).not.toContain("hunter2");
  });

  test("a server with tokens tells strangers no name of a command", async () => {
    const nats = await NatsServer.start();
    await startInstance(nats, { tokens: {} });
    const caller = await plainCaller(nats);
    for (const verb of ["INFO", "STATS"] as const) {
      const body = await asked(caller, verb);
      expect(body["endpoints"]).toMatchObject([{ name: "call", subject: "iscep.world.call.>" }]);
      for (const { name } of originalTasks) expect(JSON.stringify(body)).not.toContain(name);
    }
    const known = await caller.request(call("add"), '{"a":1,"b":2}');
    const unknown = await caller.request(call("nothing"), "{}");
    expect(known.status).toBe(401);
    expect(unknown.body).toEqual(known.body);
    expect([...(unknown.message.headers ?? [])]).toEqual([...(known.message.headers ?? [])]);
    expect(await endpoints(caller, "STATS")).toMatchObject([{ num_requests: 2, num_errors: 2 }]);
  });

  test("INFO of many commands leaves out what a message has no room for, and says so", async () => {
    const nats = await NatsServer.start({ maxPayload: 16_384 });
    const args = z.object({ one: z.string().describe("x".repeat(500)) });
    const many = Array.from({ length: 200 }, (_, index) =>
      defineCommand({ name: `command${String(index).padStart(3, "0")}`, args, run: () => index }),
    );
    await startInstance(nats, { commands: many });
    const caller = await plainCaller(nats);
    await until(async () => (await endpoints(caller, "INFO")).length > 1);
    const info = await asked(caller, "INFO");
    const { left_out } = info["metadata"] as { left_out?: string };
    expect(left_out).toMatch(/^schemas, and \d+ endpoints: a message has no room for them$/);
    expect((info["endpoints"] as unknown[]).length).toBeGreaterThan(50);
    expect((await asked(caller, "STATS"))["endpoints"]).not.toEqual([]);
  });
});

describe.skipIf(natsServerProgram === undefined)("a request without a session", () => {
  test("gets its value, or an error as problem details with the headers of ADR-32", async () => {
    const nats = await NatsServer.start();
    await startInstance(nats);
    const caller = await plainCaller(nats);
    expect((await caller.request(call("add"), '{"a":1,"b":2}')).body).toEqual({ status: "completed", value: 3 });
    expect((await caller.request(call("noargs"))).body).toEqual({ status: "completed", value: "ok" });
    const cases = [
      ["add", "{", 400, "protocol"],
      ["add", "[1]", 422, "invalid_arguments"],
      ["add", '{"a":1,"b":"x"}', 422, "invalid_arguments"],
      ["nothing", "{}", 404, "command_not_found"],
      ["add", `{"a":${"[".repeat(1_000)}}`, 400, "protocol"],
    ] as const;
    for (const [command, payload, status, code] of cases) {
      const answer = await caller.request(call(command), payload);
      expect([answer.status, answer.body["code"]]).toEqual([status, code]);
      expect(answer.message.headers?.get("Nats-Service-Error")).not.toBe("");
      expect(answer.body).toMatchObject({ type: `/docs#error-${code}`, status });
    }
  });

  test("waits as long as its caller says, and may leave with the id of its run", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const slow = gate("slow");
    const { server } = await startInstance(nats, { commands: [slow.command] });
    const caller = await plainCaller(nats);
    const late = await caller.request(call("slow"), "", { "Iscep-Timeout": "50" });
    expect([late.status, late.body["code"]]).toEqual([504, "timeout"]);
    const left = await caller.request(call("slow"), "", { "iscep-detach": "true", "Idempotency-Key": "one" });
    expect(left.body).toMatchObject({ status: "running", run: expect.any(String) });
    const again = await caller.request(call("slow"), "", { "Iscep-Detach": "true", "Idempotency-Key": "one" });
    expect(again.body["run"]).toBe(left.body["run"]);
    const client = server.client({ source: "test" });
    const handle = client.attach(String(left.body["run"]));
    slow.open();
    expect(await handle.value).toBe("through");
    await client.close();
    for (const [name, value] of [
      ["Iscep-Timeout", "soon"],
      ["Iscep-Timeout", "0"],
      ["Iscep-Detach", "no"],
      ["Idempotency-Key", "x".repeat(257)],
    ] as const) {
      expect((await caller.request(call("slow"), "", { [name]: value })).body).toMatchObject({ code: "usage" });
    }
  });

  test("gets as much of a script's output as a message has room for, and the id to read on", async () => {
    const nats = await NatsServer.start({ maxPayload: 8_192 });
    const prints = defineScript({ name: "prints", run: ["seq", "1", "20000"] });
    const fails = defineScript({ name: "fails", run: ["sh", "-c", "seq 1 20000; exit 3"] });
    const value = defineCommand({ name: "value", run: () => "y".repeat(20_000) });
    const { server } = await startInstance(nats, { commands: [prints, fails, value] });
    const caller = await plainCaller(nats);
    const { body } = await caller.request(call("prints"));
    const { stdout } = body["value"] as { stdout: string };
    expect(body).toMatchObject({ status: "completed", exitCode: 0, value: { truncated: true } });
    expect(body).not.toHaveProperty("truncated");
    expect(stdout.length).toBeGreaterThan(5_000);
    expect("1\n2\n3\n".startsWith(stdout.slice(0, 6))).toBe(true);
    const client = server.client({ source: "test" });
    let bytes = 0;
    const handle = client.attach(String(body["run"]), { offset: stdout.length });
    for await (const { bytes: piece } of handle.output) bytes += piece.length;
    expect(bytes + stdout.length).toBe(108_894);
    expect(await handle.value).toEqual(body["value"]);
    const failed = await caller.request(call("fails"));
    expect(failed.status).toBe(500);
    expect(failed.body).toMatchObject({
      outcome: { status: "failed", exitCode: 3, value: { exitCode: 3, truncated: true } },
    });
    await client.close();
  });

  test("that has no room for a value fails the run, unless it only joins the run or leaves it", async () => {
    const nats = await NatsServer.start({ jetStream: true, maxPayload: 8_192 });
    const slow = gate("slow");
    const value = defineCommand({ name: "value", run: () => "y".repeat(20_000) });
    const { server } = await startInstance(nats, { commands: [value, slow.command] });
    const caller = await plainCaller(nats);
    const client = server.client({ source: "test" });
    const failed = await caller.request(call("value"), "{}", { "Idempotency-Key": "small" });
    expect([failed.status, failed.body["code"]]).toEqual([413, "too_large"]);
    const told = await client.attach(String(failed.body["run"])).outcome;
    expect([told.status, "error" in told && told.error.code]).toEqual(["failed", "too_large"]);
    const run = client.run("value", {}, { idempotencyKey: "large" });
    expect(await run.value).toHaveLength(20_000);
    const joining = await caller.request(call("value"), "{}", { "Idempotency-Key": "large" });
    expect([joining.status, joining.body]).toEqual([200, { run: await run.id, status: "completed" }]);
    const left = await caller.request(call("value"), "{}", { "Iscep-Detach": "true" });
    expect(await client.attach(String(left.body["run"])).value).toHaveLength(20_000);
    const cancelled = client.run("slow", {}, { idempotencyKey: "long" });
    const waiting = caller.request(call("slow"), "{}", { "Idempotency-Key": "long" });
    await slow.started(1);
    slow.open();
    expect(await cancelled.value).toBe("through");
    expect((await waiting).body).toMatchObject({ run: await cancelled.id, status: "completed", value: "through" });
    await client.close();
  });

  test("has the run of an earlier one with its key, at whichever instance, and is refused where nobody can know", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    let runs = 0;
    const count = defineCommand({ name: "count", run: () => ++runs });
    const limits = { maxRuns: 2 };
    for (let instance = 0; instance < 3; instance++) await startInstance(nats, { commands: [count], limits });
    const caller = await plainCaller(nats);
    const keys = ["a", "b", "c", "d"];
    const answers = await Promise.all(
      keys.flatMap((key) =>
        Array.from({ length: 10 }, () => caller.request(call("count"), "", { "Idempotency-Key": key })),
      ),
    );
    expect(runs).toBe(4);
    expect(answers.filter(({ body }) => body["status"] !== "completed")).toEqual([]);
    const different = new Set(answers.map(({ body }) => JSON.stringify(body)));
    expect([...different].slice(4)).toEqual([]);
    const without = await NatsServer.start();
    const { id } = await startInstance(without, { commands: [count] });
    const other = await plainCaller(without);
    const keyed = { "Idempotency-Key": "a" };
    expect((await other.request(call("count"), "", keyed)).body).toMatchObject({
      code: "busy",
      detail: expect.stringMatching(/an idempotency key for any instance needs JetStream/),
    });
    const direct = callSubjects.to("world", id, "count");
    const first = await other.request(direct, "", keyed);
    expect((await other.request(direct, "", keyed)).body).toEqual(first.body);
    expect(runs).toBe(5);
  });

  test("leaves its key to any instance when nothing has begun, and to its own when a run is there", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const runs = { early: 0, late: 0 };
    const early = defineCommand({ name: "early", run: () => ++runs.early });
    const late = defineCommand({ name: "late", run: () => ++runs.late });
    const args = z.object({ to: z.string().refine((to) => pause(50, to !== "")) });
    const slowlyChecked = defineCommand({ name: "slowlyChecked", args, run: ({ to }) => to });
    const older = await startInstance(nats, { commands: [early, slowlyChecked] });
    const caller = await plainCaller(nats);
    const ask = (command: string, key: string, args = "", more: Record<string, string> = {}): Promise<Answer> =>
      caller.request(call(command), args, { "Idempotency-Key": key, ...more });
    const refused = await Promise.all(Array.from({ length: 5 }, () => ask("late", "new")));
    for (const { body } of refused) expect(body).toMatchObject({ code: "command_not_found" });
    expect((await ask("late", "spoiled", "[")).body).toMatchObject({ code: "protocol" });
    expect((await ask("slowlyChecked", "checked", '{"to":""}')).body).toMatchObject({ code: "invalid_arguments" });
    // The caller has left with the id of a run that is refused only then.
    for (let time = 0; time < 3; time++) {
      const left = await ask("slowlyChecked", "left", '{"to":""}', { "Iscep-Detach": "true" });
      expect(left.body).toMatchObject({ status: "running" });
    }
    const first = await ask("early", "kept");
    // These are refused because of the run that is there, which they must not make free.
    expect((await ask("early", "kept", '{"a":1}')).body).toMatchObject({ code: "invalid_arguments" });
    expect((await ask("late", "kept")).body).toMatchObject({ code: "invalid_arguments" });
    await startInstance(nats, { commands: [early, late, slowlyChecked] });
    for (let time = 0; time < 6; time++) expect((await ask("early", "kept")).body).toEqual(first.body);
    expect(runs).toEqual({ early: 1, late: 0 });
    await older.server.close();
    for (const key of ["new", "spoiled"]) expect((await ask("late", key)).body).toMatchObject({ status: "completed" });
    expect(runs).toEqual({ early: 1, late: 2 });
    for (const key of ["checked", "left"])
      expect((await ask("slowlyChecked", key, '{"to":"x"}')).body).toMatchObject({ value: "x" });
  });

  test("is not answered to a subject that is no inbox", async () => {
    const nats = await NatsServer.start();
    const { server } = await startInstance(nats);
    const caller = await plainCaller(nats);
    const heard: string[] = [];
    caller.broker.subscribe(">", ({ subject }) => heard.push(subject));
    for (const reply of ["$JS.API.STREAM.DELETE.x", "iscep.world.call.add", "iscep.moon.call.add"])
      caller.broker.connection.publish(call("add"), '{"a":1,"b":2}', { reply });
    caller.broker.connection.publish(call("add"), '{"a":1,"b":2}');
    await caller.request(call("noargs"));
    expect(heard.filter((subject) => subject === call("add"))).toHaveLength(4);
    expect(heard.filter((subject) => /^\$JS|moon/.test(subject))).toEqual([]);
    expect(server.metrics()).toMatch(/iscep_runs_total\{command="noargs",status="completed"\} 1/);
    expect(server.metrics()).not.toMatch(/iscep_runs_total\{command="add"/);
  });
});
