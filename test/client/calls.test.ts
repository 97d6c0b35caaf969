import { describe, expect, test } from "vitest";
import { connect } from "iscep";
import { createCertificate } from "#iscep/identity/certificates";
import { watchForLeaks } from "../support/leaks.js";
import { gate, originalTasks } from "../support/commands.js";
import { contentOf, rawPacket, Type } from "../support/raw-packets.js";
import { rawServer, type RawPeer } from "../support/raw-peer.js";
import { startServer, tokens } from "../support/servers.js";
import { ownPort } from "../support/own-port.js";
import { errorOf } from "../support/error-of.js";
import { until } from "../support/until.js";
import { open } from "../support/client-open.js";

watchForLeaks();

const answer = (value: unknown): Buffer => rawPacket(Type.response, { response: value });

function tagOf(packet: { body: string } | undefined): unknown {
  return (JSON.parse(packet?.body ?? "{}") as { args?: { tag?: unknown } }).args?.tag;
}

describe("timeouts", () => {
  test("close the connection, so that a late answer is never the next call's", async () => {
    const late: RawPeer[] = [];
    const server = await rawServer(async (peer, index) => {
      const packet = await peer.next();
      if (index === 0) {
        late.push(peer);
        return;
      }
      for (let next = packet; next !== undefined; next = await peer.next()) peer.send(answer(tagOf(next)));
    });
    const client = await open(server.url);
    const error = await errorOf(client.call("any", { tag: "first" }, { timeoutMs: 40 }));
    expect(error).toMatchObject({ code: "timeout", message: expect.stringContaining("40 ms") });
    // On a busy machine the server reads the call when its caller has already left.
    await until(() => late.length > 0);
    await late[0]!.closed;
    expect(late[0]!.socket.writable).toBe(false);
    expect(await client.call("any", { tag: "second" })).toBe("second");
    expect(server.peers).toHaveLength(2);
  });

  test("of calls that wait reject these alone, and are counted from the call", async () => {
    const server = await rawServer(async (peer) => {
      const first = await peer.next();
      await waited;
      peer.send(answer(tagOf(first)));
      for (let next = await peer.next(); next !== undefined; next = await peer.next()) peer.send(answer(tagOf(next)));
    });
    let letGo = (): void => {};
    const waited = new Promise<void>((resolve) => (letGo = resolve));
    const client = await open(server.url);
    const first = client.call("any", { tag: 1 });
    const impatient = errorOf(client.call("any", { tag: 2 }, { timeoutMs: 30 }));
    const patient = client.call("any", { tag: 3 });
    expect(await impatient).toMatchObject({ code: "timeout" });
    letGo();
    expect(await first).toBe(1);
    expect(await patient).toBe(3);
    // What was never sent never ran, and its connection is still good.
    expect(server.peers[0]?.packets.map(tagOf)).toEqual([1, 3]);
    expect(server.peers).toHaveLength(1);
  });

  test("that are no number of milliseconds are refused", async () => {
    const server = await startServer();
    const client = await server.client();
    for (const timeoutMs of [0, -1, Number.NaN, 2 ** 31, Number.POSITIVE_INFINITY]) {
      expect(await errorOf(client.call("noargs", {}, { timeoutMs }))).toMatchObject({ code: "usage" });
      expect(await errorOf(client.echo(1, { timeoutMs }))).toMatchObject({ code: "usage" });
      await expect(connect(server.url, { timeoutMs })).rejects.toMatchObject({ code: "usage" });
    }
  });

  test("while connecting end the attempt", async () => {
    // It accepts, and never says a word of TLS.
    const server = await rawServer(() => {});
    const url = `iscep://127.0.0.1:${server.port}?pin=${(await createCertificate()).pin}`;
    expect(await errorOf(connect(url, { limits: { connectTimeoutMs: 50 } }))).toMatchObject({ code: "timeout" });
    await server.peers[0]?.closed;
  });
});

describe("many calls at once", () => {
  test("go one at a time, in their order", async () => {
    let out = 0;
    let mostOut = 0;
    const server = await rawServer(async (peer) => {
      for (let packet = await peer.next(); packet !== undefined; packet = await peer.next()) {
        out++;
        mostOut = Math.max(mostOut, out, peer.packets.length - answered);
        await new Promise((resolve) => setImmediate(resolve));
        out--;
        answered++;
        peer.send(answer(tagOf(packet)));
      }
    });
    let answered = 0;
    const client = await open(server.url);
    const calls = Array.from({ length: 300 }, (_, tag) => client.call("any", { tag }));
    expect(await Promise.all(calls)).toEqual(calls.map((_, tag) => tag));
    expect(server.peers[0]?.packets.map(tagOf)).toEqual(calls.map((_, tag) => tag));
    expect(mostOut).toBe(1);
    expect(server.peers).toHaveLength(1);
  });

  test("are limited", async () => {
    const slow = gate();
    const server = await startServer({ commands: [...originalTasks, slow.command] });
    const client = await server.client({ protocol: 1, limits: { maxQueuedCalls: 2 } });
    const calls = [client.call("gate", {}), client.call("gate", {}), client.call("gate", {})];
    expect(await errorOf(client.call("gate", {}))).toMatchObject({ code: "busy" });
    for (let count = 1; count <= 3; count++) {
      await slow.started(count);
      slow.open();
    }
    expect(await Promise.all(calls)).toEqual(["through", "through", "through"]);
  });

  test("of thousands are each given their own answer", async () => {
    const client = await (await startServer({ tls: true })).client();
    const calls = Array.from({ length: 1_500 }, (_, index) => client.call("add", { a: index, b: 1 }));
    expect(await Promise.all(calls)).toEqual(calls.map((_, index) => index + 1));
  });
});

describe("cancelling", () => {
  test("before the call sends nothing", async () => {
    const server = await rawServer(() => {});
    const client = await open(server.url);
    const reason = new Error("changed my mind");
    const error = await errorOf(client.call("any", {}, { signal: AbortSignal.abort(reason) }));
    expect(error).toMatchObject({ code: "cancelled", cause: reason });
    expect(server.peers[0]?.packets ?? []).toEqual([]);
  });

  test("while it is out closes the connection; while it waits leaves that alone", async () => {
    const slow = gate();
    const server = await startServer({ commands: [...originalTasks, slow.command] });
    const client = await server.client({ protocol: 1 });
    const [out, waits] = [new AbortController(), new AbortController()];
    const first = errorOf(client.call("gate", { tag: "late" }, { signal: out.signal }));
    const second = errorOf(client.call("gate", { tag: "never sent" }, { signal: waits.signal }));
    const third = client.echo("third");
    await slow.started(1);
    waits.abort();
    expect(await second).toMatchObject({ code: "cancelled" });
    out.abort();
    expect(await first).toMatchObject({ code: "cancelled" });
    expect(await third).toBe("third");
    slow.open();
    expect(slow.state.started).toBe(1);
  });

  test("leaves no listener behind on the signal", async () => {
    const client = await (await startServer()).client({ protocol: 1 });
    const { signal } = new AbortController();
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args));
    signal.removeEventListener = (...args: Parameters<typeof remove>) => (listeners--, remove(...args));
    await Promise.all(Array.from({ length: 8 }, (_, a) => client.call("add", { a, b: 1 }, { signal })));
    expect(listeners).toBe(0);
  });

  test("while connecting ends the attempt", async () => {
    const server = await rawServer(() => {});
    const url = `iscep://127.0.0.1:${server.port}?pin=${(await createCertificate()).pin}`;
    const controller = new AbortController();
    const attempt = errorOf(connect(url, { signal: controller.signal }));
    await expect.poll(() => server.peers.length).toBe(1);
    controller.abort();
    expect(await attempt).toMatchObject({ code: "cancelled" });
    expect(await errorOf(connect(url, { signal: AbortSignal.abort() }))).toMatchObject({ code: "cancelled" });
    await server.peers[0]?.closed;
  });
});

describe("a server that goes", () => {
  test("in the middle of a call makes it lost, and calls that wait go over a new connection", async () => {
    for (const how of ["end", "reset"] as const) {
      const server = await rawServer(async (peer, index) => {
        for (let packet = await peer.next(); packet !== undefined; packet = await peer.next()) {
          if (index === 0 && how === "end") peer.socket.end();
          else if (index === 0) peer.socket.resetAndDestroy();
          else peer.send(answer(tagOf(packet)));
        }
      });
      const client = await open(server.url);
      const calls = [1, 2, 3].map((tag) => client.call("any", { tag }));
      const [first, ...others] = await Promise.allSettled(calls);
      expect(first).toMatchObject({ status: "rejected", reason: { code: "lost" } });
      expect(others).toEqual([
        { status: "fulfilled", value: 2 },
        { status: "fulfilled", value: 3 },
      ]);
      expect(server.peers).toHaveLength(2);
      // Sent at most once each.
      expect(server.peers.flatMap((peer) => peer.packets.map(tagOf))).toEqual([1, 2, 3]);
    }
  });

  test("while nothing is out is only noticed by the next call, which goes to the next server", async () => {
    const first = await rawServer(
      async (peer) => {
        peer.send(answer(tagOf(await peer.next())));
        peer.socket.end();
      },
      await ownPort(),
    );
    const client = await open(first.url);
    expect(await client.call("any", { tag: 1 })).toBe(1);
    await first.peers[0]?.closed;
    await first.close();
    expect(await errorOf(client.call("any", { tag: 2 }))).toMatchObject({ code: "connect_failed" });
    await rawServer(async (peer) => void peer.send(answer(tagOf(await peer.next()))), first.port);
    expect(await client.call("any", { tag: 3 })).toBe(3);
  });
});

describe("closing", () => {
  test("rejects what waits, makes what is out lost, and is safe to do twice", async () => {
    const slow = gate();
    const server = await startServer({ commands: [slow.command] });
    const client = await server.client({ protocol: 1 });
    const out = errorOf(client.call("gate", {}));
    const waits = errorOf(client.call("gate", {}));
    await slow.started(1);
    await Promise.all([client.close(), client.close()]);
    expect(await out).toMatchObject({ code: "lost" });
    expect(await waits).toMatchObject({ code: "closed" });
    expect(await errorOf(client.call("gate", {}))).toMatchObject({ code: "closed" });
    slow.open();
  });

  test("tells the server, by a packet", async () => {
    const server = await rawServer(() => {});
    const client = await open(server.url);
    await client.close();
    const packet = await server.peers[0]?.next();
    expect([packet?.type, contentOf(packet!)]).toEqual([Type.close, { auth_token: tokens.alice }]);
    await server.peers[0]?.closed;
  });

  test("ends an attempt to connect again", async () => {
    const server = await startServer({ tls: true, port: await ownPort() });
    const client = await connect(server.url, { token: tokens.alice, protocol: 1 });
    await client.ping();
    await server.server.close();
    const silent = await rawServer(() => {}, server.port);
    const call = errorOf(client.call("noargs", {}));
    await expect.poll(() => silent.peers.length).toBe(1);
    await client.close();
    expect(await call).toMatchObject({ code: "closed" });
    await silent.peers[0]?.closed;
  });

  test("comes with await using", async () => {
    const server = await startServer();
    {
      await using client = await connect(server.url, { token: tokens.alice });
      expect(await client.echo("used")).toBe("used");
    }
    await expect.poll(() => server.server.connections).toBe(0);
  });
});
