/** The life of a server's own doors: opened with it, told of changed commands, drained and closed with it. */
import { connect as connectNet, createServer, type AddressInfo } from "node:net";
import { once } from "node:events";
import { expect, test } from "vitest";
import { defineCommand, Server, type Client, type Door, type DoorServer } from "iscep";
import { watchForLeaks } from "../support/leaks.js";
import { later } from "../support/cleanup.js";
import { gate, originalTasks } from "../support/commands.js";
import { Peer } from "../support/conformance/peer.mjs";
import { errorOf } from "../support/error-of.js";

watchForLeaks();

interface Changes extends Partial<Pick<Door, "drain" | "close">> {
  open?(server: DoorServer): Promise<void>;
}

/** A door that writes down what is asked of it. */
function recorded(name: string, steps: string[], changes: Changes = {}): Door & { server: DoorServer | undefined } {
  return {
    server: undefined,
    async open(server) {
      steps.push(`open ${name}`);
      this.server = server;
      await changes.open?.(server);
      return { url: `${name}:` };
    },
    async drain() {
      steps.push(`drain ${name}`);
      await changes.drain?.();
      steps.push(`drained ${name}`);
    },
    async close() {
      steps.push(`close ${name}`);
      await changes.close?.();
    },
  };
}

test("doors are opened in their order, and can call at once; they are drained while runs may end, and then closed", async () => {
  const steps: string[] = [];
  const slow = gate();
  let answered: (() => void) | undefined;
  const whenAnswered = new Promise<void>((resolve) => (answered = resolve));
  let client: Client | undefined;
  const caller = recorded("caller", steps, {
    open: async (server) => {
      client = server.client({ source: "caller" });
      steps.push((await client.call<"noargs">("noargs")) as string);
    },
    drain: () => whenAnswered,
    close: async () => client?.close(),
  });
  const server = new Server({
    commands: [...originalTasks, slow.command],
    listen: [],
    doors: [caller, recorded("other", steps)],
  });
  later(() => server.close({ graceMs: 0 }));
  expect(await server.listen()).toEqual({ url: "", urls: [], doorUrls: ["caller:", "other:"] });
  expect(steps).toEqual(["open caller", "ok", "open other"]);
  const run = client?.run("gate", {});
  await run?.id;
  const closed = server.close({ graceMs: 10_000 });
  while (!steps.includes("drained other")) await new Promise((resolve) => setImmediate(resolve));
  expect(steps.slice(3)).toEqual(["drain caller", "drain other", "drained other"]);
  // What is under way goes on, and nothing new begins.
  expect(await client?.run("noargs", {}).outcome).toMatchObject({ status: "rejected", error: { code: "busy" } });
  slow.open();
  expect(await run?.outcome).toMatchObject({ status: "completed" });
  answered?.();
  await closed;
  expect(steps.slice(6).toSorted()).toEqual(["close caller", "close other", "drained caller"]);
});

test("a door that cannot be opened leaves nothing open, and listen() may be called again", async () => {
  const steps: string[] = [];
  let isBroken = true;
  const broken = recorded("broken", steps, {
    open: async () => {
      if (isBroken) throw new Error("no");
    },
  });
  const server = new Server({ commands: originalTasks, port: 0, tls: false, doors: [recorded("good", steps), broken] });
  later(() => server.close({ graceMs: 0 }));
  await expect(server.listen()).rejects.toThrow("no");
  expect(steps.toSorted()).toEqual(["close broken", "close good", "open broken", "open good"]);
  expect(await errorOf(server.client({ source: "test" }).call("noargs"))).toMatchObject({ code: "usage" });
  isBroken = false;
  const { port } = await server.listen();
  const socket = connectNet(port ?? 0);
  await once(socket, "connect");
  socket.destroy();
});

test("a door that does not drain, or cannot be closed, holds up nobody for longer than a moment, and is told of", async () => {
  const steps: string[] = [];
  const slow = recorded("slow", steps, { drain: () => new Promise(() => {}) });
  const broken = recorded("broken", steps, {
    close: async () => {
      throw new Error("it is stuck");
    },
  });
  const server = new Server({ listen: [], limits: { lingerTimeoutMs: 20 }, doors: [broken, slow] });
  await server.listen();
  await expect(server.close()).rejects.toMatchObject({ code: "internal", message: /could not be closed: it is stuck/ });
  expect(steps).toContain("close slow");
  expect(await errorOf(server.client({ source: "test" }).call("noargs"))).toMatchObject({ code: "closed" });
});

test("a door that never closes is waited for no longer than what is left of the time", async () => {
  const stuck = recorded("stuck", [], { close: () => new Promise(() => {}) });
  const server = new Server({ listen: [], limits: { lingerTimeoutMs: 20, killGraceMs: 20 }, doors: [stuck] });
  await server.listen();
  await expect(server.close({ graceMs: 0 })).rejects.toMatchObject({ message: /did not close in time/ });
});

test("changed commands are told, once for many changes of one turn", async () => {
  const server = new Server({ commands: originalTasks, listen: [] });
  let told = 0;
  const stop = server.onCommandsChanged(() => told++);
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  server.register(defineCommand({ name: "one", run: () => 1 }));
  server.register(defineCommand({ name: "two", run: () => 2 }));
  await settled();
  expect(told).toBe(1);
  expect(server.unregister("nobody")).toBe(false);
  await settled();
  expect(told).toBe(1);
  expect(server.unregister("one")).toBe(true);
  await settled();
  expect(told).toBe(2);
  stop();
  server.unregister("two");
  await settled();
  expect(told).toBe(2);
});

test("a stream of a door of your own is counted as one, and has the limits of any connection", async () => {
  const limits = { streamWindowBytes: 30_000, natsStreamWindowBytes: 90_000, maxUnauthenticatedConnections: 2 };
  const door = recorded("bot", []);
  const server = new Server({ commands: originalTasks, listen: [], tokens: false, limits, doors: [door] });
  later(() => server.close({ graceMs: 0 }));
  await server.listen();
  const streams = createServer((socket) => door.server?.accept(socket, { source: "192.0.2.7" }));
  streams.listen(0, "127.0.0.1");
  await once(streams, "listening");
  later(() => void streams.close());
  const { port } = streams.address() as AddressInfo;
  const peer = await Peer.connect({ port, tls: false });
  expect(peer.hello.limits).toMatchObject({ streamWindowBytes: 30_000 });
  expect(await peer.request("call", { command: "add", args: { a: 1, b: 2 } })).toMatchObject({ value: 3 });
  expect(door.server?.metrics()).toContain('iscep_connections{door="stream"} 1\n');
  expect(door.server?.metrics()).toContain('iscep_connections{door="nats"} 0\n');
  await peer.end();
});
