import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { describe, expect, test } from "vitest";
import { watchForLeaks } from "../support/leaks.js";
import { later } from "../support/cleanup.js";
import { inTime } from "../support/in-time.js";
import { contentOf, rawPacket, Type } from "../support/raw-packets.js";
import { rawClient } from "../support/raw-peer.js";

watchForLeaks();

interface ServerProcess {
  readonly child: ChildProcess;
  readonly port: number;
  line(): Promise<string>;
}

async function startProcess(): Promise<ServerProcess> {
  const program = new URL("programs/server.mjs", import.meta.url).pathname;
  const child = spawn(process.execPath, [program, "open"], { stdio: ["pipe", "pipe", "inherit"] });
  later(() => child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<string> => String((await lines.next()).value);
  return { child, port: Number(await line()), line };
}

const wait = (ms: number): Buffer => rawPacket(Type.command, { command: "wait", args: { ms } });

async function expectAnsweredBeforeTheEnd(signal: NodeJS.Signals): Promise<void> {
  const server = await startProcess();
  const peer = await rawClient({ port: server.port });
  const idle = await rawClient({ port: server.port });
  peer.send(wait(300));
  expect(await server.line()).toBe("started");
  server.child.kill(signal);
  // Idle connections end at once; the command goes on to its end, within the grace, and is answered.
  expect(await idle.rest()).toEqual([]);
  expect((await peer.rest()).map(contentOf)).toEqual([{ response: "waited" }]);
  expect(await once(server.child, "exit")).toEqual([0, null]);
}

describe("shutdown", () => {
  test("SIGTERM in the middle of a command", () => expectAnsweredBeforeTheEnd("SIGTERM"));

  test("SIGINT in the middle of a command", () => expectAnsweredBeforeTheEnd("SIGINT"));

  test("SIGINT with a client that keeps talking", async () => {
    const peer = await inTime(5_000, async (from) => {
      const server = await startProcess();
      const peer = await rawClient({ port: server.port });
      const hung = await rawClient({ port: server.port });
      hung.send(Buffer.from([0, 0]));
      // More than it can answer soon, and more behind that.
      peer.send(...Array.from({ length: 200 }, () => wait(60_000)));
      expect(await server.line()).toBe("started");
      const talking = setInterval(() => {
        if (!peer.ended) peer.send(rawPacket(Type.echo, { response: 1 }));
      }, 5);
      later(() => clearInterval(talking));
      from();
      server.child.kill("SIGINT");
      const [code] = (await once(server.child, "exit")) as [number | null];
      clearInterval(talking);
      expect(code).toBe(0);
      return peer;
    });
    // The grace of 1 s, then the run is cancelled and its caller told; no later packet is answered.
    expect((await peer.rest()).map(({ body }) => body)).toEqual([expect.stringMatching(/"cancelled: /)]);
  });
});
