/** Calls that join a run that goes on, and calls with one key. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { defineCommand } from "iscep";
import type { RunHandle } from "#iscep/client/protocol/run-handle";
import { gate } from "../../support/commands.js";
import { inTime } from "../../support/in-time.js";
import { watchForLeaks } from "../../support/leaks.js";
import { logLines, tokens } from "../../support/servers.js";
import { collect } from "../../support/output.js";
import { backup, serve, positionsOf } from "../../support/backup-command.js";

watchForLeaks();

describe("join:", () => {
  const joining = { limit: 1, key: "{world}", whenFull: "join" } as const;

  test("the second caller gets output, progress and outcome of the first run, and nothing runs twice", async () => {
    const { command, begun, end, whenBegun } = backup(joining);
    const { server, client } = await serve(command);
    const first = client.run("back_up", { world: "end" });
    await whenBegun(1);
    const again = await server.client({ protocol: 2 });
    const second = again.run("back_up", { world: "end" });
    const original = await server.client({ protocol: 1 });
    const third = original.call("back_up", { world: "end" });
    const outputs = [collect(first), collect(second)];
    await second.id;
    await again.ping();
    end("end");
    expect(await Promise.all([first.value, second.value, third])).toEqual(["end", "end", "end"]);
    for (const { stdout, stderr } of await Promise.all(outputs)) {
      expect([String(stdout), String(stderr)]).toEqual(["packing end\n", "done\n"]);
    }
    expect(await second.id).not.toBe(await first.id);
    expect(begun).toEqual(["end"]);
    const lines = logLines(await server.logged()).filter((line) => line["command"] === "back_up");
    expect(lines.filter((line) => line["status"] === "completed")).toHaveLength(3);
  });

  test("another owner, other arguments, or a first one that is being cancelled: it waits instead", async () => {
    const { command, begun, end, whenBegun } = backup(joining);
    const { server, client } = await serve(command);
    const bob = await server.client({ protocol: 2, token: tokens.bob });
    const first = client.run("back_up", { world: "end" });
    await whenBegun(1);
    const ofBob = bob.run("back_up", { world: "end" });
    await positionsOf(ofBob).until(1);
    const others = [ofBob, client.run("back_up", { world: "end", note: "x" })];
    await positionsOf(others[1] as RunHandle).until(2);
    const sawOutput: string[] = [];
    void (async () => {
      for await (const { bytes } of others[0]?.output ?? []) sawOutput.push(Buffer.from(bytes).toString());
    })();
    end("end");
    expect(await first.value).toBe("end");
    await whenBegun(2);
    expect(sawOutput.join("")).not.toContain("done");
    end("end");
    await whenBegun(3);
    end("endx");
    expect(await Promise.all(others.map(({ value }) => value))).toEqual(["end", "endx"]);
    expect(begun).toEqual(["end", "end", "endx"]);
  });

  test("who joined may leave alone, and keeps the run alive when its first caller goes", async () => {
    const { command, begun, end, whenBegun } = backup(joining);
    const { server } = await serve(command, { callerGraceMs: 20 });
    const [one, two, three] = await Promise.all([1, 2, 3].map(() => server.client({ protocol: 2 })));
    const first = one?.run("back_up", { world: "end" });
    await whenBegun(1);
    const [leaving, staying] = [two?.run("back_up", { world: "end" }), three?.run("back_up", { world: "end" })];
    await Promise.all([leaving?.id, staying?.id, three?.ping()]);
    leaving?.cancel();
    expect(await leaving?.outcome).toMatchObject({ status: "cancelled" });
    await one?.close();
    expect(await first?.outcome).toMatchObject({ status: "lost" });
    await sleep(60);
    end("end");
    expect(await staying?.value).toBe("end");
    expect(begun).toEqual(["end"]);
  });

  test("a first caller that cancels ends its own run alone: the work goes on until the last one has left", async () => {
    const { command, begun, reasons, end, whenBegun } = backup(joining);
    const { server } = await serve(command);
    const clients = await Promise.all([1, 2, 3].map(() => server.client({ protocol: 2 })));
    const [first, second, third] = clients.map((client) => client.run("back_up", { world: "end" }));
    await whenBegun(1);
    await Promise.all([first?.id, second?.id, third?.id]);
    first?.cancel();
    expect(await first?.outcome).toMatchObject({ status: "cancelled" });
    // A caller who comes now joins as well.
    const fourth = clients[0]?.run("back_up", { world: "end" });
    await fourth?.id;
    fourth?.cancel();
    expect(await fourth?.outcome).toMatchObject({ status: "cancelled" });
    second?.cancel();
    expect(await second?.outcome).toMatchObject({ status: "cancelled" });
    expect(reasons).toEqual([]);
    end("end");
    expect(await third?.outcome).toEqual({ status: "completed", value: "end" });
    expect(String((await collect(third!)).all)).toBe("packing end\ndone\n");
    expect(String((await collect(first!)).all)).toBe("packing end\n");
    expect(begun).toEqual(["end"]);
  });

  test("work that still waits for its turn keeps its place in the queue when its first caller cancels", async () => {
    const { command, begun, end, whenBegun } = backup({ limit: 1, whenFull: "join" });
    const { server, client } = await serve(command);
    const other = client.run("back_up", { world: "other" });
    await whenBegun(1);
    const [first, second] = [client.run("back_up", { world: "end" }), client.run("back_up", { world: "end" })];
    await Promise.all([positionsOf(first).until(1), positionsOf(second).until(1)]);
    first.cancel();
    expect(await first.outcome).toMatchObject({ status: "cancelled" });
    end("other");
    await whenBegun(2);
    end("end");
    expect(await Promise.all([other.value, second.value])).toEqual(["other", "end"]);
    expect(begun).toEqual(["other", "end"]);
    // The place in the queue was given back, once.
    const again = client.run("back_up", { world: "again" });
    await whenBegun(3);
    end("again");
    expect(await again.value).toBe("again");
    await server.server.close();
  });

  test("the time of the first call bounds the work, however many join it", async () => {
    const timeoutMs = 1_000;
    const { reasons, second } = await inTime(timeoutMs, async (from) => {
      const { command, reasons, whenBegun } = backup(joining);
      const { client } = await serve({ ...command, timeoutMs });
      from();
      const first = client.run("back_up", { world: "end" });
      await whenBegun(1);
      const impatient = client.run("back_up", { world: "end" }, { timeoutMs: 20 });
      expect(await impatient.outcome).toMatchObject({ status: "timeout" });
      expect(reasons).toEqual([]);
      const second = client.run("back_up", { world: "end" });
      await second.id;
      first.cancel();
      return { reasons, second };
    });
    expect(await second.outcome).toMatchObject({ status: "timeout" });
    expect(reasons).toHaveLength(1);
  });

  test("when all have gone, the run is cancelled after the grace", async () => {
    const { command, reasons, whenBegun } = backup(joining);
    const { server } = await serve(command, { callerGraceMs: 20 });
    const clients = await Promise.all([1, 2].map(() => server.client({ protocol: 2 })));
    clients[0]?.run("back_up", { world: "end" });
    await whenBegun(1);
    await clients[1]?.run("back_up", { world: "end" }).id;
    for (const client of clients) await client.close();
    const watcher = await server.client({ protocol: 2 });
    const left = async () => (await watcher.runs()).runs.filter(({ status }) => status === "running").length;
    while ((await left()) > 0) await sleep(10);
    expect(reasons).toHaveLength(1);
  });

  test("a slow reader that joined holds the writer back, and gets every byte", async () => {
    const bytes = 3_000_000;
    const held = gate();
    const command = defineCommand({
      name: "write",
      concurrency: { limit: 1, whenFull: "join" },
      run: async (_args, context) => {
        const { output } = context;
        await held.command.run({}, context);
        for (let at = 0; at < bytes; at += 10_000) await output.write("stdout", Buffer.alloc(10_000, at / 10_000));
      },
    });
    const { server, client } = await serve(command);
    const first = client.run("write", {});
    await first.id;
    const second = (await server.client({ protocol: 2 })).run("write", {});
    const slow = (async () => {
      let length = 0;
      for await (const chunk of second.output) {
        for (const [index, byte] of chunk.bytes.entries()) {
          const expected = Math.floor((chunk.offset + index) / 10_000) & 255;
          if (byte !== expected) throw new Error(`byte ${chunk.offset + index} is ${byte}, not ${expected}`);
        }
        length += chunk.bytes.length;
        if (length % 5 === 0) await sleep(1);
      }
      return length;
    })();
    await second.id;
    held.open();
    const { all } = await collect(first);
    expect([all.length, await slow]).toEqual([bytes, bytes]);
    expect(await second.outcome).toEqual(await first.outcome);
  });
});

test("a call with an idempotency key joins its own run, and replaces nothing", async () => {
  const { command, begun, end, whenBegun } = backup({ limit: 1, whenFull: "replace" });
  const { client } = await serve(command);
  const key = { idempotencyKey: "nightly" };
  const calls = [client.call("back_up", { world: "end" }, key)];
  await whenBegun(1);
  calls.push(client.call("back_up", { world: "end" }, key));
  await client.ping();
  end("end");
  expect(await Promise.all(calls)).toEqual(["end", "end"]);
  expect(begun).toEqual(["end"]);
});

describe("callers with the same idempotency key have one run, and", () => {
  const key = { idempotencyKey: "nightly" };

  test.each([true, false])(
    "it goes on for the one who waits when the other goes or cancels (cancels: %s)",
    async (cancels) => {
      const { command, reasons, end, whenBegun } = backup({ limit: 1 });
      const { server } = await serve(command, { callerGraceMs: 20 });
      const [one, two] = await Promise.all([1, 2].map(() => server.client({ protocol: 2 })));
      const first = one?.run("back_up", { world: "end" }, key);
      await whenBegun(1);
      const second = two?.run("back_up", { world: "end" }, { ...key, detach: true });
      expect(await second?.id).toBe(await first?.id);
      if (cancels) first?.cancel();
      else await one?.close();
      expect(await first?.outcome).toMatchObject({ status: cancels ? "cancelled" : "lost" });
      await sleep(60);
      expect(reasons).toEqual([]);
      end("end");
      expect(await second?.value).toBe("end");
    },
  );

  test("it is stopped when the last of them cancels, and by its id for all of them", async () => {
    const { command, reasons, whenBegun } = backup({ limit: 1 });
    const { client } = await serve(command);
    for (const byId of [false, true]) {
      const idempotencyKey = String(byId);
      const runs = [1, 2].map(() => client.run("back_up", { world: "end" }, { idempotencyKey, detach: true }));
      await whenBegun(reasons.length + 1);
      const [id] = await Promise.all(runs.map((run) => run.id));
      if (byId) await client.cancel(id as string);
      else for (const run of runs) run.cancel();
      for (const run of runs) expect(await run.outcome).toMatchObject({ status: "cancelled" });
    }
    expect(reasons).toHaveLength(2);
  });
});
