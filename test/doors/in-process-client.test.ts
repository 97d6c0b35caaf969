/** What only a client in the process of its server has. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineCommand, Server, type Client } from "iscep";
import { watchForLeaks } from "../support/leaks.js";
import { later } from "../support/cleanup.js";
import { originalTasks } from "../support/commands.js";
import { errorOf } from "../support/error-of.js";
import { collect, patternBytes } from "../support/output.js";
import { tokens, type TestServerOptions } from "../support/servers.js";
import { stageFor, limits, type Stage } from "../support/in-process-stage.js";

watchForLeaks();

async function inProcess(options: TestServerOptions = {}): Promise<Stage> {
  return stageFor("in process", { limits, ...options });
}

describe("in the process of the server", () => {
  test("a client says what it is, and knows no connection that could be lost", async () => {
    const { client } = await inProcess();
    expect(client.protocol).toBe("in-process");
    const events: string[] = [];
    client.on("closed", () => events.push("closed"));
    client.on("reconnecting", () => events.push("reconnecting"));
    expect(await client.ping()).toBeGreaterThanOrEqual(0);
    await client.close();
    await client.close();
    expect(events).toEqual(["closed"]);
  });

  test("no object is shared between a caller and a command, nor between two callers", async () => {
    const kept: { list: number[] }[] = [];
    const keeps = defineCommand({
      name: "keeps",
      args: z.object({ list: z.array(z.number()) }),
      run: (args) => {
        kept.push(args);
        args.list.push(99);
        return args;
      },
    });
    const { client } = await inProcess({ commands: [keeps] });
    const given = { list: [1] };
    const first = (await client.call("keeps", given, { idempotencyKey: "k" })) as typeof given;
    expect([given, first]).toEqual([{ list: [1] }, { list: [1, 99] }]);
    first.list.length = 0;
    expect(await client.call("keeps", given, { idempotencyKey: "k" })).toEqual({ list: [1, 99] });
    expect(kept).toEqual([{ list: [1, 99] }]);
  });

  test("bytes of output belong to the caller who reads them", async () => {
    const { client } = await inProcess();
    const run = client.run("write", { bytes: 1_000, piece: 1_000 });
    for await (const { bytes } of run.output) bytes.fill(0);
    expect((await collect(client.attach(await run.id))).all.equals(patternBytes(0, 1_000))).toBe(true);
  });

  test("a listener of a caller never runs within the command's code", async () => {
    let inCommand = false;
    const within: boolean[] = [];
    const tells = defineCommand({
      name: "tells",
      run: async (_args, context) => {
        inCommand = true;
        context.progress(0.5);
        void context.output.write("stdout", "x".repeat(100_000));
        inCommand = false;
        await sleep(1);
      },
    });
    const { client } = await inProcess({ commands: [tells] });
    const run = client.run("tells", {});
    run.onProgress(() => within.push(inCommand));
    for await (const _chunk of run.output) within.push(inCommand);
    await run.value;
    expect(within.length).toBeGreaterThan(1);
    expect(within).not.toContain(true);
  });

  test("calls fail with a word on what to do before the server listens, and after its close", async () => {
    const server = new Server({ commands: originalTasks, listen: [] });
    const client = server.client({ source: "test" });
    later(() => client.close());
    expect(await errorOf(client.call("noargs"))).toMatchObject({ code: "usage", message: /await listen\(\)/ });
    expect(await client.run("noargs", {}).outcome).toMatchObject({ status: "rejected", error: { code: "usage" } });
    expect(await server.listen()).toEqual({ url: "", urls: [], doorUrls: [] });
    expect(await client.call("noargs")).toBe("ok");
    await server.close();
    expect(await errorOf(client.call("noargs"))).toMatchObject({ code: "closed" });
    expect(await errorOf(server.client({ source: "test" }).list())).toMatchObject({ code: "closed" });
  });

  test("wrong tokens count against their source, which is refused then whatever it shows", async () => {
    // The defaults in minutes, so that nothing is forgiven meanwhile.
    const { server } = await inProcess({ limits: { penaltyMs: 60_000, penaltyStartMs: 180_000 } });
    const from = (source: string, token: string): Client => {
      const client = server.server.client({ token, source });
      later(() => client.close());
      return client;
    };
    const codes: string[] = [];
    for (let round = 0; round < 6; round++) {
      codes.push((await errorOf(from("203.0.113.7", `guess ${round}`).call("noargs"))).code);
    }
    expect(codes).toEqual(["unauthorized", "unauthorized", "unauthorized", "unauthorized", "busy", "busy"]);
    expect(await errorOf(from("203.0.113.7", tokens.alice).call("noargs"))).toMatchObject({ code: "busy" });
    expect(await from("203.0.113.8", tokens.alice).call("noargs")).toBe("ok");
    // A connection of that address is dropped, too; and loopback is exempt as it is there.
    for (let round = 0; round < 10; round++) await errorOf(from("127.0.0.1", "guess").call("noargs"));
    expect(await from("127.0.0.1", tokens.alice).call("noargs")).toBe("ok");
    expect(await server.logged()).toContain('"a wrong token');
  });

  test("a caller in a hurry leaves time for others", async () => {
    const busyFor = defineCommand({
      name: "busy_for",
      args: z.object({ ms: z.number() }),
      run: ({ ms }) => {
        for (const until = performance.now() + ms; performance.now() < until;);
      },
    });
    const { client } = await inProcess({ commands: [busyFor], limits: { workSliceMs: 1 } });
    const order: string[] = [];
    const calls = Array.from({ length: 10 }, () => client.call("busy_for", { ms: 3 }).then(() => order.push("call")));
    // Each turn of the event loop serves one of them, and then everything else that waits.
    for (let turn = 0; turn < 5; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      order.push("turn");
    }
    await Promise.all(calls);
    expect(order.slice(0, 7)).toContain("turn");
    expect(order.indexOf("turn")).toBeLessThan(order.lastIndexOf("call"));
  });
});
