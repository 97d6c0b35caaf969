/** Spans of calls and runs, where a program has registered a tracer provider, and the way of `traceparent`. */
import { context, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { connect, defineCommand, defineScript, IscepError } from "iscep";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { recordSpans, stopRecording, type RecordedSpan } from "../support/recording-tracer.js";
import { startHttp } from "../support/http.js";
import { watchForLeaks } from "../support/leaks.js";
import { startServer, tokens } from "../support/servers.js";
import { until } from "../support/until.js";

watchForLeaks();

const spans = recordSpans();
beforeEach(() => void spans.splice(0));
afterAll(stopRecording);

const traceparentOf = ({ place }: RecordedSpan): string => `00-${place.traceId}-${place.spanId}-01`;

const commands = [
  defineCommand({
    name: "look",
    run: async (_, { traceparent }) => {
      await Promise.resolve();
      return { traceparent, active: trace.getActiveSpan()?.spanContext().spanId };
    },
  }),
  defineCommand({
    name: "bad",
    run: () => {
      throw new IscepError("failed", "it broke");
    },
  }),
  defineScript({ name: "say", run: ["/bin/sh", "-c", "echo $TRACEPARENT; exit 3"] }),
];

function named(name: string): RecordedSpan {
  const found = spans.filter((span) => span.name === name);
  if (found[0] === undefined || found.length > 1) throw new Error(`${found.length} spans named ${name}`);
  return found[0];
}

/** What a span of the program itself does. */
async function within<Result>(work: () => Promise<Result>): Promise<Result> {
  const span = trace.getTracer("program").startSpan("program");
  return context.with(trace.setSpan(context.active(), span), work);
}

describe("over version 2", () => {
  test("the span of a call is the parent of the span of its run, which is active in the function", async () => {
    const { client } = await startServer({ commands });
    const caller = await client();
    const seen = await within(() => caller.call("look"));
    const [program, call, run] = ["program", "call look", "run look"].map(named);
    expect(new Set([program, call, run].map((span) => span?.place.traceId)).size).toBe(1);
    expect([call?.parentId, run?.parentId]).toEqual([program?.place.spanId, call?.place.spanId]);
    expect([call?.kind, run?.kind]).toEqual([SpanKind.CLIENT, SpanKind.SERVER]);
    expect(run?.attributes).toMatchObject({
      "rpc.system": "iscep",
      "rpc.method": "look",
      "iscep.owner": "alice",
      "iscep.run.id": expect.stringMatching(/^[0-9a-f-]{36}$/),
      "iscep.status": "completed",
    });
    expect(run).toBeDefined();
    expect(seen).toEqual({ traceparent: run && traceparentOf(run), active: run?.place.spanId });
    expect([call?.ended, run?.ended]).toEqual([1, 1]);
  });

  test("a script gets its run's span as TRACEPARENT, and its end says how it ended", async () => {
    const { client } = await startServer({ commands });
    const caller = await client();
    const outcome = await caller.run("say").outcome;
    const run = named("run say");
    expect(outcome).toMatchObject({ status: "failed", value: { stdout: `${traceparentOf(run)}\n` } });
    expect(run.attributes).toMatchObject({ "iscep.status": "failed", "process.exit.code": 3, "error.type": "failed" });
    await until(() => named("call say").ended === 1);
    await expect(caller.call("bad")).rejects.toThrow("it broke");
    for (const name of ["run bad", "call bad"])
      expect(named(name).status).toEqual({ code: SpanStatusCode.ERROR, message: "it broke" });
  });

  test("a refused call has a span of the call, and a name that is no command has none of a run", async () => {
    const { client } = await startServer({ commands });
    await expect((await client()).call("no_such_command")).rejects.toThrow("no such command");
    expect(spans.map(({ name, ended }) => [name, ended])).toEqual([["call no_such_command", 1]]);
  });

  test("a client of version 1 has its span, and the run is a trace of its own", async () => {
    const { client } = await startServer({ commands });
    await (await client({ protocol: 1 })).call("look");
    expect(named("run look").parentId).toBeUndefined();
    expect(named("call look").ended).toBe(1);
  });
});

test("over HTTP, the header traceparent is the parent", async () => {
  const server = await startHttp({ commands });
  const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const answer = await server.post("/commands/look", {}, { traceparent: parent });
  const run = named("run look");
  expect([run.place.traceId, run.parentId]).toEqual(["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"]);
  expect(await answer.json()).toMatchObject({ value: { traceparent: traceparentOf(run) } });
  await server.post("/commands/look", {}, { traceparent: "00-00000000000000000000000000000000-b7ad6b7169203331-01" });
  expect(spans.at(-1)?.parentId).toBeUndefined();
});

test("in the same process, a call takes the active span with it", async () => {
  const { server } = await startServer({ commands });
  const caller = server.client({ source: "test", token: tokens.alice });
  await within(() => caller.call("look"));
  expect(named("run look").parentId).toBe(named("program").place.spanId);
  await caller.close();
});

test("a traceparent of one's own counts more than the active span", async () => {
  const { url } = await startServer({ commands });
  await using caller = await connect(url, { token: tokens.alice });
  await caller.call("look", undefined, { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00" });
  expect(named("run look").parentId).toBe("b7ad6b7169203331");
});
