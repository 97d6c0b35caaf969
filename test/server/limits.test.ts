import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { connect as connectNet, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { connect, defineCommand, type Client } from "iscep";
import { Admission } from "#iscep/server/admission";
import { addToken, removeToken } from "#iscep/identity/tokens-writer";
import { resolveLimits } from "#iscep/limits/limits";
import { watchForLeaks } from "../support/leaks.js";
import { later } from "../support/cleanup.js";
import { gate, originalTasks } from "../support/commands.js";
import { errorOf, contentOf, rawPacket, Type } from "../support/raw-packets.js";
import type { RawPeer } from "../support/raw-peer.js";
import { inTime } from "../support/in-time.js";
import { startServer, tokens, type TestServer } from "../support/servers.js";
import { until } from "../support/until.js";
import { block } from "./modules/blocking.mjs";

watchForLeaks();

const goodEcho = rawPacket(Type.echo, { auth_token: tokens.alice, response: { echo: 1 } });
const wrongEcho = rawPacket(Type.echo, { auth_token: "wrong" });

async function clients(server: TestServer, count: number): Promise<Client[]> {
  return Promise.all(Array.from({ length: count }, () => server.client()));
}

/** Arguments for calls of `block`, how many of these have begun, and the end of them all. */
function blocking({ folder }: TestServer) {
  const args = { begun: path.join(folder, "begun"), go: path.join(folder, "go") };
  const letGo = (): void => writeFileSync(args.go, "");
  // The thread of a test that has failed would hold up the end of its server.
  later(letGo);
  return { args, letGo, begun: () => (existsSync(args.begun) ? readFileSync(args.begun, "utf8").length / 6 : 0) };
}

/** Drops come as a reset, or as an end without a word. */
async function isDropped(peer: RawPeer): Promise<boolean> {
  peer.send(goodEcho);
  const answer = await peer.next();
  await peer.destroy();
  return answer === undefined;
}

describe("connections", () => {
  test("from one source are limited, and that source is told so", async () => {
    const server = await startServer({ exemptLocalSources: false, limits: { maxConnectionsPerSource: 3 } });
    const peers = [await server.raw(), await server.raw(), await server.raw()];
    for (const peer of peers) expect((await peer.send(goodEcho).answer()).type).toBe(Type.echo);
    const refused = await (await server.raw()).rest();
    expect(refused.map(errorOf)).toEqual(["busy: your address has its 3 connections already"]);
  });

  test("beyond the limit are told so up to a limit of its own, and dropped from there on", async () => {
    const server = await startServer({
      maxConnections: 1,
      limits: { maxRefusedConnections: 2, lingerTimeoutMs: 60_000 },
    });
    const holder = await server.raw();
    await holder.send(goodEcho).answer();
    const told = [await server.raw(), await server.raw()];
    for (const peer of told) expect((await peer.rest()).map(errorOf)).toEqual([expect.stringMatching(/^busy: /)]);
    // These two never close their side, and hold the places of those who are told.
    expect(await isDropped(await server.raw())).toBe(true);
    await told[0]?.destroy();
    await holder.destroy();
  });

  test("without a token are dropped early, at random and then all", async () => {
    const server = await startServer({
      exemptLocalSources: false,
      limits: { earlyDropStart: 4, maxUnauthenticatedConnections: 8 },
    });
    const peers: RawPeer[] = [];
    for (let count = 0; count < 60; count++) peers.push(await server.raw());
    await expect.poll(() => server.server.connections).toBeLessThanOrEqual(8);
    expect(server.server.connections).toBeGreaterThanOrEqual(4);
    // With a token shown they no longer count, and others are let in again.
    for (const peer of peers) if (!peer.ended) peer.send(goodEcho);
    await Promise.all(peers.map((peer) => peer.next()));
    expect(await isDropped(await server.raw())).toBe(false);
  });

  test("without a token of one address keep nobody else out: the oldest of the address that has the most goes", () => {
    const limits = resolveLimits({ earlyDropStart: 1_000, maxUnauthenticatedConnections: 12 });
    const admission = new Admission(limits, true);
    const cut: string[] = [];
    const arrive = (source: string, name: string): string => {
      const { verdict } = admission.admit(source, 0);
      if (verdict === "admit") admission.awaited({ source, cut: () => void cut.push(name) });
      return verdict;
    };
    for (let count = 0; count < 7; count++) expect(arrive("192.0.2.1", `a${count}`)).toBe("admit");
    for (let count = 0; count < 5; count++) expect(arrive("192.0.2.2", `b${count}`)).toBe("admit");
    // All places are taken. The one that has the most gets no more; others take its places, until they have as many.
    expect(arrive("192.0.2.1", "a7")).toBe("drop");
    expect(arrive("198.51.100.1", "c")).toBe("admit");
    expect(arrive("198.51.100.2", "d")).toBe("admit");
    expect(arrive("2001:db8::1", "e")).toBe("admit");
    expect(cut).toEqual(["a0", "a1", "a2"]);
    expect(arrive("192.0.2.2", "b5")).toBe("drop");
    expect(arrive("192.0.2.1", "a7")).toBe("admit");
    expect(cut.at(-1)).toBe("b0");
  });

  test("without a token of few addresses keep nobody else out, over sockets", async () => {
    const server = await startServer({ exemptLocalSources: false, limits: { authenticationTimeoutMs: 60_000 } });
    const from = async (localAddress: string): Promise<Socket> => {
      const socket = connectNet({ port: server.port ?? 0, host: "127.0.0.1", localAddress }).on("error", () => {});
      later(() => socket.destroy());
      await once(socket, "connect");
      return socket;
    };
    for (const address of ["127.1.0.1", "127.1.0.2", "127.1.0.3"]) {
      for (let count = 0; count < 250; count += 50) await Promise.all(Array.from({ length: 50 }, () => from(address)));
    }
    for (let count = 0; count < 40; count++) {
      const socket = await from(`127.2.0.${count + 1}`);
      socket.write(goodEcho);
      expect(await once(socket, "data")).toHaveLength(1);
      socket.destroy();
    }
  });

  test("that are gone at once are told by their address, or as unknown", async () => {
    const server = await startServer();
    for (let count = 0; count < 50; count++) {
      const socket = connectNet(server.port ?? 0, "127.0.0.1").on("error", () => {});
      await once(socket, "connect");
      socket.resetAndDestroy();
    }
    const peer = await server.raw();
    await peer.send(goodEcho).answer();
    await peer.destroy();
    const sources = new Set([...(await server.logged()).matchAll(/"source":"([^"]*)"/g)].map(([, source]) => source));
    expect([...sources].filter((source) => source !== "127.0.0.1" && source !== "unknown")).toEqual([]);
  });

  test("count from the accept on with TLS, before their handshake", async () => {
    const server = await startServer({
      tls: true,
      exemptLocalSources: false,
      limits: { earlyDropStart: 4, maxUnauthenticatedConnections: 8, tlsHandshakeTimeoutMs: 60_000 },
    });
    const silent = await Promise.all(
      Array.from({ length: 60 }, async () => {
        const socket = connectNet(server.port ?? 0, "127.0.0.1").on("error", () => {});
        later(() => socket.destroy());
        await once(socket, "connect");
        return socket;
      }),
    );
    // A drop is a reset or an end; those that are kept wait for a ClientHello.
    const dropped = (): number => silent.filter((socket) => socket.destroyed || socket.readableEnded).length;
    for (const socket of silent) socket.resume();
    await expect.poll(dropped).toBeGreaterThanOrEqual(52);
    expect(dropped()).toBeLessThanOrEqual(56);
  });

  test("of this machine are exempt from limits by source, unless said otherwise", () => {
    const limits = resolveLimits({ maxConnectionsPerSource: 1, maxUnauthenticatedConnections: 1, earlyDropStart: 1 });
    const admission = new Admission(limits, true);
    for (const source of ["127.0.0.1", "::1", "unix", "127.8.8.8"]) {
      for (let count = 0; count < 5; count++) {
        expect(admission.admit(source, 0)).toEqual({ verdict: "admit" });
        admission.awaited({ source, cut: () => {} });
      }
    }
    expect(admission.admit("192.0.2.1", 0)).toEqual({ verdict: "admit" });
    expect(admission.admit("192.0.2.1", 0)).toMatchObject({ verdict: "refuse" });
  });

  test("of one household's IPv6 addresses count as one source", () => {
    const admission = new Admission(resolveLimits({ maxConnectionsPerSource: 2 }), true);
    expect(admission.admit("2001:db8::1", 0)).toEqual({ verdict: "admit" });
    expect(admission.admit("2001:db8::2", 0)).toEqual({ verdict: "admit" });
    expect(admission.admit("2001:db8::3", 0)).toMatchObject({ verdict: "refuse" });
    expect(admission.admit("2001:db8:0:1::3", 0)).toEqual({ verdict: "admit" });
    admission.released("2001:db8::3", true);
    admission.released("2001:db8::1", false);
    expect(admission.admit("2001:db8::4", 0)).toEqual({ verdict: "admit" });
    expect(admission.open).toBe(3);
  });
});

describe("failed tokens", () => {
  test("close the connection at the sixth in a row", async () => {
    const server = await startServer();
    const peer = await server.raw();
    for (let round = 0; round < 3; round++) {
      for (let count = 0; count < 5; count++)
        expect((await peer.send(wrongEcho).answer()).type).toBe(Type.unauthorized);
      // An honest caller who errs now and then over a long time is not shut out.
      expect((await peer.send(goodEcho).answer()).type).toBe(Type.echo);
    }
    peer.send(...Array.from({ length: 8 }, () => wrongEcho));
    expect(await peer.rest()).toHaveLength(6);
  });

  test("shut out their source for a while, and leave its connections alone", async () => {
    // What is forgiven meanwhile must not be much.
    const { server, live } = await inTime(1_500, async (from) => {
      const server = await startServer({
        exemptLocalSources: false,
        limits: { penaltyMs: 1_000, penaltyStartMs: 2_000, maxPenaltyMs: 4_000 },
      });
      const live = await server.raw();
      expect((await live.send(goodEcho).answer()).type).toBe(Type.echo);
      const guesser = await server.raw();
      from();
      for (let count = 0; count < 5; count++)
        expect((await guesser.send(wrongEcho).answer()).type).toBe(Type.unauthorized);
      expect(await isDropped(await server.raw())).toBe(true);
      return { server, live };
    });
    expect((await live.send(goodEcho).answer()).type).toBe(Type.echo);
    // A penalty decays.
    await until(async () => !(await isDropped(await server.raw())));
  });
});

describe("runs", () => {
  test("queue when all places are taken, and are answered with busy when the queue is full", async () => {
    const slow = gate();
    const server = await startServer({
      commands: [...originalTasks, slow.command],
      limits: { maxRuns: 2, maxQueuedRuns: 2 },
    });
    const callers = await clients(server, 5);
    const runs = callers.slice(0, 4).map((client, index) => client.call("gate", { tag: `run ${index}` }));
    await until(() => server.server.metrics().includes("iscep_runs_waiting 2\n"));
    await expect(callers[4]?.call("noargs", {})).rejects.toMatchObject({
      code: "busy",
      message: expect.stringContaining("2 runs are under way and 2 wait"),
    });
    expect(slow.state.started).toBe(2);
    // An echo is no run.
    expect(await callers[4]?.echo("served")).toBe("served");
    slow.open();
    await slow.started(4);
    slow.open();
    expect(await Promise.all(runs)).toEqual(["run 0", "run 1", "run 2", "run 3"]);
    expect(await callers[4]?.call("noargs", {})).toBe("ok");
  });

  test("that outlive their timeout are stopped, and their callers told", async () => {
    const patient = defineCommand({
      name: "patient",
      description: "Ends when it is told to",
      timeoutMs: 60,
      run: (_args, { signal }) =>
        new Promise<never>((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason as Error));
        }),
    });
    const stubborn = defineCommand({
      name: "stubborn",
      description: "Never ends by itself",
      timeoutMs: 60,
      args: z.object({}),
      run: () => stubbornWork,
    });
    let letGo = (): void => {};
    const stubbornWork = new Promise<void>((resolve) => (letGo = resolve));
    const server = await startServer({ commands: [patient, stubborn] });
    const client = await server.client();
    for (const name of ["patient", "stubborn"]) {
      await expect(client.call(name, {})).rejects.toMatchObject({
        code: "timeout",
        message: "the command took longer than its timeout of 60 ms",
      });
    }
    expect(await client.echo("next")).toBe("next");
    letGo();
  });
});

describe("threads", () => {
  test("four that block do so at once, and do not hold up an echo, nor a function", async () => {
    const server = await startServer({ commands: [...originalTasks, block], threads: 4 });
    const callers = await clients(server, 5);
    const honest = callers.pop();
    const { args, letGo, begun } = blocking(server);
    const calls = callers.map((client) => client.call("block", args));
    await until(() => begun() === 4);
    for (let echoes = 0; echoes < 20; echoes++) {
      expect(await honest?.echo(echoes)).toBe(echoes);
      expect(await honest?.call("add", { a: 1, b: 1 })).toBe(2);
    }
    letGo();
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 4 }, () => "through"));
  });

  test("are limited, with a bounded queue behind them, and functions go on beside", async () => {
    const server = await startServer({
      commands: [...originalTasks, block],
      threads: 1,
      limits: { maxQueuedRuns: 1 },
    });
    const callers = await clients(server, 4);
    const { args, letGo } = blocking(server);
    const runs = callers.slice(0, 2).map((client) => client.call("block", args));
    // Answered behind the call that came over the same connection.
    await Promise.all(callers.slice(0, 2).map((client) => client.ping()));
    await expect(callers[2]?.call("block", args)).rejects.toMatchObject({ code: "busy" });
    expect(await callers[3]?.call("noargs", {})).toBe("ok");
    letGo();
    expect(await Promise.all(runs)).toEqual(["through", "through"]);
  });
});

describe("while it runs", () => {
  test("commands come and go", async () => {
    const server = await startServer({ commands: [] });
    const client = await server.client();
    const slow = gate("late_comer");
    await expect(client.call("late_comer", {})).rejects.toMatchObject({ code: "command_not_found" });
    server.server.register(slow.command);
    expect((await client.list()).map(({ name }) => name)).toEqual(["late_comer"]);
    const run = client.call("late_comer", { tag: "done" });
    await slow.started(1);
    expect(server.server.unregister("late_comer")).toBe(true);
    expect(server.server.unregister("late_comer")).toBe(false);
    // What is under way goes on.
    slow.open();
    expect(await run).toBe("done");
    await expect(client.call("late_comer", {})).rejects.toMatchObject({ code: "command_not_found" });
    expect(await client.list()).toEqual([]);
    server.server.register(slow.command);
    expect(() => server.server.register(slow.command)).toThrow(/late_comer/);
  });

  test("a token that is revoked is refused at the next packet", async () => {
    const server = await startServer();
    const { token } = await addToken(server.tokensFile, { owner: "carol" });
    const peer = await server.raw();
    const echo = rawPacket(Type.echo, { auth_token: token, response: { echo: 1 } });
    expect((await peer.send(echo).answer()).type).toBe(Type.echo);
    await removeToken(server.tokensFile, "carol");
    // The system's report of the change takes a turn of the event loop.
    await expect.poll(async () => (await peer.send(echo).answer()).type).toBe(Type.unauthorized);
    expect((await peer.send(goodEcho).answer()).type).toBe(Type.echo);
  });

  test("a token for other networks is refused, and one for this machine is not", async () => {
    const server = await startServer();
    const elsewhere = await addToken(server.tokensFile, { owner: "elsewhere", cidrs: ["192.0.2.0/24"] });
    const here = await addToken(server.tokensFile, { owner: "here", cidrs: ["127.0.0.0/8"] });
    const client = await connect(server.url);
    later(() => client.close());
    await expect.poll(async () => client.echo(1, { token: here.token }).catch((error: unknown) => error)).toBe(1);
    await expect(client.echo(1, { token: elsewhere.token })).rejects.toMatchObject({ code: "unauthorized" });
  });
});

describe("a peer that sends ahead", () => {
  test("is held back while its command runs, and then answered in order", async () => {
    const slow = gate();
    const server = await startServer({ commands: [...originalTasks, slow.command] });
    const peer = await server.raw();
    peer.send(rawPacket(Type.command, { auth_token: tokens.alice, command: "gate", args: {} }));
    await slow.started(1);
    const before = process.memoryUsage().rss;
    const filler = "x".repeat(30_000);
    const count = 1_000;
    for (let index = 0; index < count; index++) {
      peer.send(
        rawPacket(Type.command, { auth_token: tokens.alice, command: "any", args: { value: [index, filler] } }),
      );
    }
    expect(await (await server.client()).echo("served")).toBe("served");
    // The 30 MB wait in the sender and in the system; this process is both, so only the sender's part shows.
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
    slow.open();
    expect((await peer.until(count + 1)).length).toBe(count + 1);
    const order = peer.packets
      .slice(1)
      .map((packet) => (contentOf(packet)["response"] as { value: [number] }).value[0]);
    expect(order).toEqual(Array.from({ length: count }, (_, index) => index));
  });
});
