/** An instance on a real broker: what it tells of itself, from its start to its end, and when the broker goes and comes. */
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { connect, defaultLimits, Server, type ListeningServer, type ServerOptions } from "iscep";
import { natsDoor } from "#iscep/doors/nats/door";
import { parseBrokerAddress } from "#iscep/nats/address";
import { decodeBeat, type Beat } from "#iscep/nats/beat";
import { Broker } from "#iscep/nats/broker";
import { LinkDialler } from "#iscep/nats/links/dialler";
import { later } from "../../support/cleanup.js";
import { gate, originalTasks } from "../../support/commands.js";
import { errorOf } from "../../support/error-of.js";
import { faultProxy } from "../../support/fault-proxy.js";
import { watchForLeaks } from "../../support/leaks.js";
import { NatsServer, natsServerProgram } from "../../support/nats-server.js";
import { whoAnswers } from "../../support/nats-service.js";
import { until } from "../../support/until.js";

watchForLeaks();

async function openBroker(server: NatsServer): Promise<Broker> {
  const address = parseBrokerAddress(server.url);
  const broker = await Broker.open({ address, name: "test", limits: defaultLimits });
  later(() => broker.close());
  return broker;
}

/** All beats of the service from now on. */
async function beatsOf(broker: Broker, service: string): Promise<Beat[]> {
  const beats: Beat[] = [];
  broker.subscribe(`iscep.${service}.beat`, ({ data }) => beats.push(decodeBeat(data)));
  await broker.connection.flush();
  return beats;
}

async function instanceOn(url: string, options: ServerOptions = {}): Promise<Server> {
  const server = new Server({
    commands: originalTasks,
    listen: [],
    doors: [natsDoor({ url, name: "world" })],
    ...options,
  });
  later(() => server.close({ graceMs: 0 }));
  listening.set(server, await server.listen());
  return server;
}

const listening = new WeakMap<Server, ListeningServer>();

test("without tokens, a broker on another machine is not opened to all who are there", async () => {
  const error = await errorOf(instanceOn("nats+tls://broker.example:4222"));
  expect(error.code).toBe("usage");
  expect(error.message).toMatch(/give a tokens file/);
});

test.each([
  [{ url: "nats://127.0.0.1" }, /name of the service is missing/],
  [{ url: "nats://127.0.0.1", name: "a.b" }, /no name of a service/],
  [{ url: "nats://127.0.0.1/world", name: "moon" }, /give one of them/],
  [{ url: "http://127.0.0.1/world" }, /address is wrong/],
  [{ url: "nats://127.0.0.1/world", pasword: "x" }, /did you mean "password"/],
  [{ url: "nats://broker.example/world" }, /perhaps in cleartext.*Use nats\+tls:\/\/, or say allowCleartext/],
])("settings that cannot be are refused: %j", (settings, message) => {
  expect(() => natsDoor(settings)).toThrow(message);
});

test("a client does not go to a broker on another machine in cleartext, unless it may", async () => {
  // No name has to be looked up, and the system connects to this address in no network.
  const url = "nats://255.255.255.255:4222/world";
  const error = await errorOf(connect(url, { token: "x" }));
  expect(error).toMatchObject({ code: "usage", message: expect.stringContaining("allowCleartext") as string });
  expect((await errorOf(connect(url, { allowCleartext: true }))).code).toBe("connect_failed");
});

test("all of an address counts: passwords with colons, hosts of a cluster, IPv6, ports", () => {
  expect(parseBrokerAddress("nats://us:a:b%2F@one,two:4333/world")).toEqual({
    servers: ["one:4222", "two:4333"],
    tls: false,
    user: "us",
    password: "a:b/",
    service: "world",
  });
  expect(parseBrokerAddress("nats+tls://[::1]")).toEqual({ servers: ["[::1]:4222"], tls: true });
});

describe.skipIf(natsServerProgram === undefined)("with a broker", () => {
  test("an instance tells that it is there, and answers who asks, until it leaves", async () => {
    const nats = await NatsServer.start();
    const broker = await openBroker(nats);
    const beats = await beatsOf(broker, "world");
    const server = await instanceOn(nats.url);
    expect(server.unready()).toBeUndefined();
    await expect.poll(() => beats.length).toBeGreaterThan(1);
    const [first] = beats;
    expect(first).toMatchObject({ state: "ready", running: 0, waiting: 0, places: 64, commands: originalTasks.length });
    const answer = await whoAnswers(broker);
    expect(answer).toEqual(first);
    await server.close();
    await expect.poll(() => beats.at(-1)?.state).toBe("left");
    expect(beats.map(({ state }) => state)).toContain("draining");
    expect(new Set(beats.map(({ instance }) => instance)).size).toBe(1);
  });

  test("an instance listens only when the broker knows it, so that whoever asks then has an answer", async () => {
    const nats = await NatsServer.start();
    const caller = await openBroker(nats);
    const slow = await faultProxy(nats.port, { toServer: { delayMs: 20 } });
    await instanceOn(`nats://127.0.0.1:${slow.port}`);
    const answer = await caller.connection.request("iscep.world.who", "", { timeout: 20_000 });
    expect(decodeBeat(answer.data)).toMatchObject({ state: "ready" });
  });

  test("one whose places are all taken tells at once that it is full, and that it is so no more", async () => {
    const nats = await NatsServer.start();
    const beats = await beatsOf(await openBroker(nats), "world");
    const slow = gate();
    const limits = { maxRuns: 1, natsBeatMs: 600_000 };
    const server = await instanceOn(nats.url, { commands: [slow.command], limits });
    const client = server.client({ source: "test" });
    const first = client.call(slow.command.name);
    await expect.poll(() => beats.at(-1)?.state).toBe("full");
    const second = client.call(slow.command.name);
    await until(() => server.load().waiting === 1);
    expect(server.load()).toMatchObject({ running: 1, places: 1 });
    slow.open();
    await first;
    await slow.started(2);
    slow.open();
    await second;
    await expect.poll(() => beats.at(-1)?.state).toBe("ready");
    await client.close();
  });

  test("a server waits for a broker that is not there yet, and says so until it comes", async () => {
    const nats = await NatsServer.start();
    await nats.kill();
    const server = await instanceOn(nats.url);
    expect(server.unready()).toMatch(/cannot be reached.*Is nats-server running there/);
    await nats.restart();
    await until(() => server.unready() === undefined);
    const broker = await openBroker(nats);
    expect((await whoAnswers(broker)).state).toBe("ready");
  });

  test("a broker that is killed makes the server unready, and all comes back with it", async () => {
    const nats = await NatsServer.start();
    const server = await instanceOn(nats.url);
    await nats.kill("SIGKILL");
    await until(() => server.unready() !== undefined);
    expect(server.unready()).toMatch(/was lost; it is made again/);
    await nats.restart();
    await until(() => server.unready() === undefined);
    const beats = await beatsOf(await openBroker(nats), "world");
    await expect.poll(() => beats.length).toBeGreaterThan(0);
  });

  test("a flood of new links and of questions is bounded, and does not keep others from the server", async () => {
    const nats = await NatsServer.start();
    const limits = { natsMaxLinksPerSecond: 20, natsMaxAnswersPerSecond: 20 };
    const server = await instanceOn(nats.url, { limits });
    const broker = await openBroker(nats);
    const { instance } = await whoAnswers(broker);
    let answers = 0;
    broker.subscribe("flood.inbox", () => answers++);
    const beganMs = performance.now();
    for (let index = 0; index < 5_000; index++) {
      broker.publish(`iscep.world.session.${instance}`, Buffer.alloc(8), "flood.inbox");
      broker.publish(`iscep.world.link.${instance}.none`, Buffer.alloc(8), "flood.inbox");
      broker.publish("iscep.world.who", "", "flood.inbox");
    }
    const client = server.client({ source: "test" });
    for (let index = 0; index < 50; index++) expect(await client.call("noargs")).toBe("ok");
    await broker.connection.flush();
    await until(() => answers > 0);
    const seconds = (performance.now() - beganMs) / 1_000;
    // Each link that was taken says how much it grants, gets a word of the server, and breaks.
    expect(answers).toBeLessThan((3 + seconds) * 20 * 6);
    await client.close();
  });

  test("links that a full server refuses take nothing from other callers, who are told too", async () => {
    const nats = await NatsServer.start();
    const full = { maxConnections: 1, maxRefusedConnections: 2 };
    const server = await instanceOn(nats.url, { listen: [{ host: "127.0.0.1", port: 0 }], tls: false, limits: full });
    const { url } = listening.get(server) ?? { url: "" };
    const first = await connect(url);
    later(() => first.close());
    const broker = await openBroker(nats);
    const { instance } = await whoAnswers(broker);
    const dialler = new LinkDialler(broker, "world", defaultLimits);
    later(() => dialler.close());
    for (let index = 0; index < 8; index++) {
      const link = dialler.open(instance);
      link.write(Buffer.alloc(8));
      expect(String(await once(link, "data"))).toMatch(/connections already|server is full/);
      link.destroy();
    }
    await until(async () => (await errorOf(connect(url))).code === "busy");
  });

  test("a broker that knows us not is no broker to wait for", async () => {
    const nats = await NatsServer.start({ config: `authorization { user: "us", password: "secret" }` });
    const error = await errorOf(instanceOn(nats.url));
    expect(error.code).toBe("unauthorized");
    expect(error.message).toMatch(/does not know us.*operator has set up/);
    await instanceOn(nats.url.replace("nats://", "nats://us:secret@"));
  });
});
