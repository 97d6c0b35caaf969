/** What happens to a run when its client cancels, goes away, gives up or comes back, and who is asked before it. */
import { describe, expect, test } from "vitest";
import { type CommandContext, declareArguments, defineCommand } from "iscep";
import { watchForLeaks } from "../../support/leaks.js";
import { gate } from "../../support/commands.js";
import { faultProxy } from "../../support/fault-proxy.js";
import { inTime } from "../../support/in-time.js";
import { endOf, everyWay, mcpClient, noticesCut, runOf, startMcpServer, wordsOf } from "../../support/mcp.js";
import { until } from "../../support/until.js";

watchForLeaks();

describe.each(everyWay)("over %s in %s", (...how) => {
  const [way, revision] = how;

  test("a client that gives up after its 60 s has the run's id by then, and loses nothing (typescript-sdk#2250)", async () => {
    const slow = gate("slow");
    // Its answer comes long before the client's patience ends.
    const server = await startMcpServer({ commands: [slow.command], limits: { mcpAnswerMs: 450 } });
    const { client } = await mcpClient(how, server);
    const first = await client.callTool({ name: "slow", arguments: { tag: "kept" } }, { timeout: 40_000 });
    const run = runOf(first);
    slow.open();
    expect(wordsOf(await endOf(client, run))).toBe("kept");
    expect(slow.state).toMatchObject({ started: 1, ended: 1, aborted: 0 });
  });

  // A message of 2025 over HTTP cannot be told to belong to a request: ids are not unique between clients.
  test.skipIf(way === "http" && revision === "2025-11-25")("a cancel of the protocol cancels the run", async () => {
    const slow = gate("slow");
    const server = await startMcpServer({ commands: [slow.command], limits: { callerGraceMs: 1 } });
    const { client } = await mcpClient(how, server);
    const stop = new AbortController();
    const waiting = client.callTool({ name: "slow", arguments: {} }, { signal: stop.signal });
    await slow.started(1);
    stop.abort("the person pressed stop");
    await expect(waiting).rejects.toThrow("the person pressed stop");
    await until(() => slow.state.aborted === 1);
    const { runs } = await (await server.client()).runs();
    expect(runs).toMatchObject([{ status: "cancelled" }]);
  });

  test("a client that goes away has the grace of any caller, and then its run is cancelled", async () => {
    const slow = gate("slow");
    const server = await startMcpServer({ commands: [slow.command], limits: { callerGraceMs: 100 } });
    const { client, cut } = await mcpClient(how, server);
    client.callTool({ name: "slow", arguments: {} }).catch(() => {});
    await slow.started(1);
    await cut();
    await until(() => slow.state.aborted === 1);
    expect((await (await server.client()).runs()).runs).toMatchObject([{ status: "cancelled" }]);
  });

  test("an idempotency key of the caller's own joins the run", async () => {
    const slow = gate("slow");
    const server = await startMcpServer({ commands: [slow.command] });
    const { client } = await mcpClient(how, server);
    const call = { name: "slow", arguments: { tag: "once" }, _meta: { "iscep/idempotencyKey": "k1" } };
    const calls = [client.callTool(call), client.callTool(call)];
    await slow.started(1);
    slow.open();
    const [one, other] = await Promise.all(calls);
    expect(one && other && runOf(one) === runOf(other)).toBe(true);
    expect(slow.state.started).toBe(1);
  });

  test("the same call twice at once is two runs", async () => {
    const slow = gate("slow");
    const { client } = await mcpClient(how, await startMcpServer({ commands: [slow.command] }));
    const calls = [client.callTool({ name: "slow", arguments: {} }), client.callTool({ name: "slow", arguments: {} })];
    await slow.started(2);
    slow.open();
    await Promise.all(calls);
    expect(slow.state.started).toBe(2);
  });

  describe("a command that wants to be confirmed", () => {
    let dropped: unknown[] = [];
    const drop = defineCommand({
      name: "drop",
      confirm: "The world is gone then",
      args: declareArguments({ world: { type: "string" }, password: { type: "secret", optional: true } }),
      run: (args) => {
        dropped.push(args);
        return "dropped";
      },
    });
    const args = { world: "end\u001b", password: "hunter2-hunter2" };
    const asks = !(way === "http" && revision === "2025-11-25");

    test.skipIf(!asks)("runs when the person says yes, who sees what it does with what", async () => {
      dropped = [];
      const asked: string[] = [];
      const person = (message: string) => {
        asked.push(message);
        expect(dropped).toEqual([]);
        return "accept" as const;
      };
      const { client } = await mcpClient(how, await startMcpServer({ commands: [drop] }), { person });
      const given = { world: "end", password: "hunter2-hunter2" };
      expect(wordsOf(await client.callTool({ name: "drop", arguments: given }))).toBe("dropped");
      expect(asked).toEqual([
        'The world is gone then.\n\nRun "drop" with these arguments?\n\nworld: "end"\npassword: ***',
      ]);
      expect(dropped).toEqual([given]);
    });

    test.skipIf(!asks).each(["decline", "cancel"] as const)("does not when they %s", async (action) => {
      dropped = [];
      const server = await startMcpServer({ commands: [drop] });
      const { client } = await mcpClient(how, server, { person: () => action });
      const refused = await client.callTool({ name: "drop", arguments: args });
      expect(refused.isError).toBe(true);
      expect(wordsOf(refused)).toMatch(action === "decline" ? /^The person said no/ : /did not answer/);
      expect(dropped).toEqual([]);
    });

    test.skipIf(!asks)(
      "shows each argument to the person, however long others are and in which order they come",
      async () => {
        const wide = defineCommand({
          name: "wide",
          confirm: true,
          args: declareArguments({
            target: { type: "string" },
            note: { type: "string", multiline: true },
            names: { type: "list", items: { type: "string" }, maxItems: 100_000, default: [] },
          }),
          run: () => "ran",
        });
        const server = await startMcpServer({ commands: [wide] });
        const asked: string[] = [];
        const person = (message: string) => {
          asked.push(message);
          return "decline" as const;
        };
        const { client } = await mcpClient(how, server, { person });
        const note = `${"x".repeat(5_000)}\u202e\n`;
        await client.callTool({ name: "wide", arguments: { note, target: "production" } });
        expect(asked).toEqual([
          `This runs "wide".\n\nRun "wide" with these arguments?\n\ntarget: "production"\nnote: "${"x".repeat(199)} … and 4810 more characters`,
        ]);
      },
    );

    test.skipIf(!asks)("is refused with more arguments than a person would read", async () => {
      const names = Array.from({ length: 30 }, (_, index) => `argument_${index}`);
      const many = defineCommand({
        name: "many",
        confirm: true,
        args: declareArguments(Object.fromEntries(names.map((name) => [name, { type: "string" }]))),
        run: () => "ran",
      });
      const server = await startMcpServer({ commands: [many] });
      const { client } = await mcpClient(how, server, { person: () => "accept" });
      const given = Object.fromEntries(names.map((name) => [name, "x".repeat(300)]));
      const refused = await client.callTool({ name: "many", arguments: given });
      expect(refused.isError).toBe(true);
      expect(wordsOf(refused)).toMatch(/too many to be shown/);
    });

    test("is refused where nobody can be asked, in words that say how it can be done", async () => {
      dropped = [];
      const { client } = await mcpClient(how, await startMcpServer({ commands: [drop] }));
      const refused = await client.callTool({ name: "drop", arguments: args });
      expect(refused.isError).toBe(true);
      expect(wordsOf(refused)).toMatch(/a person must confirm it.*The world is gone then\..*iscep call drop/s);
      expect(dropped).toEqual([]);
    });

    test.skipIf(way === "http")("runs at once with `iscep mcp --yes`", async () => {
      dropped = [];
      const { client } = await mcpClient(how, await startMcpServer({ commands: [drop] }), { isConfirmed: true });
      expect(wordsOf(await client.callTool({ name: "drop", arguments: { world: "end" } }))).toBe("dropped");
    });
  });

  test.skipIf(way === "http" && revision === "2025-11-25")("changed commands are told, and listed", async () => {
    const one = defineCommand({ name: "one", run: () => 1 });
    const two = defineCommand({ name: "two", run: () => 2 });
    const server = await startMcpServer({ commands: [one], limits: { mcpToolsMs: 20 } });
    let told = 0;
    const { client } = await mcpClient(how, server, { whenToolsChange: () => void told++ });
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain("one");
    server.server.register(two);
    await until(() => told > 0);
    expect((await client.listTools(undefined, { cacheMode: "refresh" })).tools.map(({ name }) => name)).toContain(
      "two",
    );
    server.server.unregister("two");
    await until(() => told > 1);
  });
});

describe("while the connection to the server is being made again, a call answers in time, and its run is found then", () => {
  const answerMs = 500;
  const prepare = async (mcpIdMs: number) => {
    const slow = gate("slow");
    const prints = defineCommand({
      name: "prints",
      run: async (_, { output, signal }) => {
        await output.write("stdout", "begun\n");
        return slow.command.run({ tag: "found" }, { signal } as CommandContext);
      },
    });
    const limits = { mcpAnswerMs: answerMs, mcpIdMs, mcpNewsIntervalMs: 1 };
    const server = await startMcpServer({ commands: [slow.command, prints], limits });
    let sent = "";
    const proxy = await faultProxy(server.port ?? 0, {}, (chunk) => (sent += chunk.toString("latin1")));
    const { client, cut } = await mcpClient(["stdio", "2025-11-25"], server, { url: proxy.url });
    return { slow, proxy, client, cut, server, wasSent: (text: string) => sent.includes(text) };
  };

  /** Calls, and cuts the connection when the first output has come, which has to be before the answer is due. */
  const cutWhilePrinting = async (
    { client, proxy }: Awaited<ReturnType<typeof prepare>>,
    call: { readonly name: string; readonly arguments: object },
  ) => {
    let heard = 0;
    const answer = client.callTool({ ...call, arguments: {} }, { onprogress: () => void heard++ });
    // When it came too late, no caller waits for it.
    answer.catch(() => {});
    await until(() => heard > 0);
    proxy.harm = { toServer: { cutAt: 0 } };
    proxy.cut();
    return { answer };
  };

  test("when its id is known", async () => {
    const { slow, proxy, client, waiting } = await inTime(answerMs, async (from) => {
      const prepared = await prepare(2_000);
      from();
      return { ...prepared, waiting: await cutWhilePrinting(prepared, { name: "prints", arguments: {} }) };
    });
    const first = await waiting.answer;
    expect(wordsOf(first)).toMatch(/^begun\n.*still goes on/s);
    proxy.harm = {};
    const list = { name: "run_list", arguments: {} };
    await until(async () => wordsOf(await client.callTool(list)).includes("prints: running"));
    slow.open();
    expect(wordsOf(await endOf(client, runOf(first)))).toBe("begun\n\nfound");
    expect(slow.state).toMatchObject({ started: 1, aborted: 0 });
  });

  test("when attempts to connect fail meanwhile; and it goes on without its caller, as the answer says", async () => {
    // Long enough that an attempt fails while the server is told that the run needs its caller no more.
    const { slow, proxy, cut, server, wasSent, waiting } = await inTime(answerMs, async (from) => {
      const prepared = await prepare(2_000);
      from();
      const call = { name: "prints", arguments: {}, _meta: { "iscep/idempotencyKey": "own" } };
      return { ...prepared, waiting: await cutWhilePrinting(prepared, call) };
    });
    expect(wordsOf(await waiting.answer)).toMatch(/^begun\n.*still goes on/s);
    proxy.harm = {};
    await until(() => wasSent('"detach":true'));
    await cut();
    await until(() => server.server.connections === 0);
    // Who leaves it now is told whether it goes on.
    const joined = (await server.client()).run("prints", {}, { idempotencyKey: "own" });
    await joined.id;
    joined.cancel();
    const outcome = await joined.outcome;
    expect(outcome).toMatchObject({
      status: "cancelled",
      error: { message: expect.stringMatching(/its run goes on/) },
    });
    expect(slow.state).toMatchObject({ started: 1, aborted: 0 });
    slow.open();
  });

  test("when nobody has told its id", async () => {
    const { slow, proxy, client } = await prepare(500);
    const waiting = client.callTool({ name: "slow", arguments: { tag: "found" } });
    await slow.started(1);
    proxy.harm = { toServer: { cutAt: 0 } };
    proxy.cut();
    const first = wordsOf(await waiting);
    proxy.harm = {};
    // Its id may have come in the last moment.
    if (!first.includes("still goes on"))
      expect(first).toMatch(/\(lost\)\. It may have run or not: look with run_list/);
    const list = { name: "run_list", arguments: { command: "slow" } };
    let run = "";
    // An attempt to connect that began before may still fail.
    await until(async () => {
      [, run = ""] = /^(\S+) slow: running/.exec(wordsOf(await client.callTool(list))) ?? [];
      return run !== "";
    });
    slow.open();
    expect(wordsOf(await endOf(client, run))).toBe("found");
    expect(slow.state).toMatchObject({ started: 1, aborted: 0 });
  });
});

describe("over HTTP", () => {
  test("a call that is repeated soon after its answer was lost gets the same run, as long as that goes on", async () => {
    const slow = gate("slow");
    const server = await startMcpServer({ commands: [slow.command], limits: { mcpAnswerMs: 20 } });
    const call = { name: "slow", arguments: { tag: "once" } };
    // The server cannot know that the first answer did not arrive.
    const first = await mcpClient(["http", "2025-11-25"], server);
    const run = runOf(await first.client.callTool(call));
    const { client } = await mcpClient(["http", "2026-07-28"], server);
    expect(runOf(await client.callTool(call))).toBe(run);
    expect(slow.state.started).toBe(1);
    slow.open();
    expect(wordsOf(await endOf(client, run))).toBe("once");
    expect(runOf(await client.callTool(call))).not.toBe(run);
    slow.open();
  });

  test("a call that is repeated after its connection broke gets the same run", async () => {
    const slow = gate("slow");
    const server = await startMcpServer({ commands: [slow.command] });
    const how = ["http", "2026-07-28"] as const;
    const { client, cut } = await mcpClient(how, server);
    client.callTool({ name: "slow", arguments: { tag: "once" } }).catch(() => {});
    await slow.started(1);
    await cut();
    await noticesCut(server);
    const again = await mcpClient(how, server);
    const waiting = again.client.callTool({ name: "slow", arguments: { tag: "once" } });
    slow.open();
    expect(wordsOf(await waiting)).toBe("once");
    expect(slow.state).toMatchObject({ started: 1, ended: 1, aborted: 0 });
    // The answer has arrived, so the next call is a new one.
    const next = again.client.callTool({ name: "slow", arguments: { tag: "once" } });
    await slow.started(2);
    slow.open();
    await next;
  });
});
