import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { watchForLeaks } from "../support/leaks.js";
import { later } from "../support/cleanup.js";
import { errorOf, contentOf, rawPacket, Type } from "../support/raw-packets.js";
import { rawClient, type RawPeer } from "../support/raw-peer.js";
import { startServer, tokens, type TestServer } from "../support/servers.js";

watchForLeaks();

function echoOf(value: unknown): Buffer {
  return rawPacket(Type.echo, { auth_token: tokens.alice, response: { echo: value } });
}

function commandOf(command: string, args?: unknown): Buffer {
  return rawPacket(Type.command, { auth_token: tokens.alice, command, args });
}

async function expectEcho(peer: RawPeer, value: unknown): Promise<void> {
  const answer = await peer.answer();
  expect(answer.type).toBe(Type.echo);
  expect(contentOf(answer)).toEqual({ response: { echo: value } });
}

/** The connection is still in step: exactly one answer comes for one more packet, and then the close. */
async function expectOpen(peer: RawPeer): Promise<void> {
  peer.send(echoOf("still in step"));
  await expectEcho(peer, "still in step");
  peer.socket.end();
  expect(await peer.rest()).toEqual([]);
}

/** One ERROR with that reason, and the close: the stream has lost step. */
async function expectErrorAndClose(peer: RawPeer, reason: RegExp): Promise<void> {
  const answers = await peer.rest();
  expect(answers).toHaveLength(1);
  expect(errorOf(answers[0]!)).toMatch(reason);
  peer.socket.end();
  await peer.closed;
}

async function withPeer(server: TestServer, work: (peer: RawPeer) => Promise<void>): Promise<void> {
  const peer = await server.raw();
  await work(peer);
  await peer.destroy();
}

/** An echo of exactly 100 as its size, without a token: these faults are answered before anybody asks for one. */
function echoOfSize100(): Buffer {
  const packet = rawPacket(Type.echo, { response: { echo: "x".repeat(42) } });
  expect(packet.readUInt32BE()).toBe(100);
  return packet;
}

function withSize(packet: Buffer, size: number): Buffer {
  const changed = Buffer.from(packet);
  changed.writeUInt32BE(size);
  return changed;
}

describe("framing", () => {
  // PITFALLS D21: the original read each packet by one recv.
  test("a packet byte at a time", async () => {
    for (const tls of [false, true]) {
      const peer = await (await startServer({ tls })).raw();
      await peer.sendApart(Array.from(echoOf("slow"), (byte) => Buffer.of(byte)));
      await expectEcho(peer, "slow");
      await expectOpen(peer);
    }
  });

  test("2 or 3 bytes of the size first", async () => {
    const server = await startServer();
    for (const cut of [2, 3]) {
      const peer = await server.raw();
      const packet = echoOf(cut);
      await peer.sendApart([packet.subarray(0, cut), packet.subarray(cut)]);
      await expectEcho(peer, cut);
      await expectOpen(peer);
    }
  });

  test("4 bytes of the size, then the rest in one segment", async () => {
    const peer = await (await startServer()).raw();
    const packet = echoOf("4 + rest");
    await peer.sendApart([packet.subarray(0, 4), packet.subarray(4)]);
    await expectEcho(peer, "4 + rest");
    await expectOpen(peer);
  });

  test("4 bytes, then 6, then the rest", async () => {
    const peer = await (await startServer()).raw();
    const packet = echoOf("4 + 6 + rest");
    await peer.sendApart([packet.subarray(0, 4), packet.subarray(4, 10), packet.subarray(10)]);
    await expectEcho(peer, "4 + 6 + rest");
    await expectOpen(peer);
  });

  test("3 packets pipelined over plain TCP", async () => {
    const peer = await (await startServer()).raw();
    peer.send(
      Buffer.concat([
        echoOf(1),
        commandOf("sleep", { seconds: 0.05, tag: "second" }),
        commandOf("echo_task", { message: "third" }),
      ]),
    );
    await expectEcho(peer, 1);
    expect(contentOf(await peer.answer())).toEqual({ response: "second" });
    expect(contentOf(await peer.answer())).toEqual({ response: "echo third" });
    await expectOpen(peer);
  });

  test("2 packets in one TLS record", async () => {
    const peer = await (await startServer({ tls: true })).raw();
    peer.send(Buffer.concat([echoOf(1), echoOf(2)]));
    await expectEcho(peer, 1);
    await expectEcho(peer, 2);
    await expectOpen(peer);
  });

  const sizes = [1_000, 16_000, 17_000, 60_000, 65_537, 131_072, 262_144, 1_048_576, 4_000_000];

  /** Taken by a command whose answer is short, as the answer has a limit of its own. */
  async function expectOneAnswerEach(tls: boolean): Promise<void> {
    const server = await startServer({ tls });
    const peer = await server.raw();
    peer.send(echoOf("a good token first, then packets may be large"));
    await peer.answer();
    for (const n of sizes) {
      peer.send(commandOf("noargs", { ["x".repeat(n)]: 1 }));
      // An unknown argument gets one answer for one packet, and a short one, whatever its size.
      const answer = await peer.answer();
      expect(answer.type).toBe(Type.error);
      expect(answer.body.length).toBeLessThan(16_000);
    }
    await expectOpen(peer);
    await withPeer(server, async (large) => {
      large.send(echoOf("a good token first"));
      await large.answer();
      large.send(rawPacket(Type.echo, "", { size: 64 * 1024 * 1024 }));
      await expectErrorAndClose(
        large,
        /^too_large: a packet may have 4194304 bytes here \(maxPacketBytes\), and this one claims 67108864$/,
      );
    });
    await withPeer(server, async (stranger) => {
      stranger.send(echoOf("x".repeat(65_536)));
      await expectErrorAndClose(stranger, /^too_large: .* 65536 bytes/);
    });
  }

  test("a plain request of n characters, up to 64 MiB", () => expectOneAnswerEach(false));

  test("a TLS request of n characters, up to 64 MiB", () => expectOneAnswerEach(true));

  /** The original's client reads a packet with one recv: what is larger than that must not be sent at all. */
  async function expectBoundedAnswers(tls: boolean, maxBytes: number): Promise<void> {
    const server = await startServer({ tls });
    const peer = await server.raw();
    const overhead = 4 + 2 + 32 + '{"response":""}'.length;
    for (const n of [1_000, maxBytes - overhead]) {
      peer.send(commandOf("big", { n }));
      expect(contentOf(await peer.answer())).toEqual({ response: "x".repeat(n) });
    }
    for (const n of [maxBytes - overhead + 1, 131_072, 50_000_000]) {
      peer.send(commandOf("big", { n }));
      expect(errorOf(await peer.answer())).toBe(
        `too_large: response too large for version 1 (${n + overhead} bytes, and at most ${maxBytes} can be read on this connection)`,
      );
    }
    await expectOpen(peer);
  }

  test("an answer of n bytes, plain, as the original's client reads it", () => expectBoundedAnswers(false, 65_535));

  test("an answer of n bytes, TLS, as the original's client reads it", () => expectBoundedAnswers(true, 16_384));

  test("size 0", async () => {
    const peer = await (await startServer()).raw();
    peer.send(Buffer.concat([echoOf("before"), Buffer.alloc(4), echoOf("after")]));
    await expectEcho(peer, "before");
    expect(await peer.rest()).toEqual([]);
  });

  test("size 1, 2, 33 or 34 where 100 is true", async () => {
    const server = await startServer();
    for (const size of [1, 2, 33]) {
      await withPeer(server, async (peer) => {
        peer.send(withSize(echoOfSize100(), size));
        await expectErrorAndClose(peer, new RegExp(`^protocol: .* at least 34, and this one is ${size}$`));
      });
    }
    await withPeer(server, async (peer) => {
      peer.send(withSize(echoOfSize100(), 34));
      const answers = await peer.rest();
      // 34 could be true. What follows is read as the next packet, and that one cannot be.
      expect(answers.map(errorOf)).toEqual([
        expect.stringMatching(/^protocol: /),
        expect.stringMatching(/^protocol: .* no packet/),
      ]);
    });
  });

  test("size 35, 36 or 99 where 100 is true", async () => {
    const server = await startServer({ limits: { packetTimeoutMs: 100 } });
    for (const size of [35, 36, 99]) {
      await withPeer(server, async (peer) => {
        peer.send(withSize(echoOfSize100(), size));
        const answers = await peer.rest();
        expect(errorOf(answers[0]!)).toMatch(/^protocol: the checksum/);
        // The rest claims to be a packet of its own: too large, or never whole. Either way it ends, with a reason.
        expect(answers.slice(1).map(errorOf)).toEqual([expect.stringMatching(/^(?:too_large|timeout|protocol): /)]);
      });
    }
  });

  test("size 101 where 100 is true: one too many", async () => {
    const server = await startServer({ limits: { packetTimeoutMs: 100 } });
    await withPeer(server, async (peer) => {
      peer.send(withSize(echoOfSize100(), 101));
      await expectErrorAndClose(peer, /^timeout: a packet was not whole within 100 ms$/);
    });
    await withPeer(server, async (peer) => {
      // The missing byte comes from the next packet: nothing may be answered as if it were in step.
      peer.send(withSize(echoOfSize100(), 101), echoOfSize100());
      const answers = await peer.rest();
      expect(answers.map(({ type }) => type)).toEqual([Type.error, Type.error]);
    });
  });

  test("size 2^31-1, 2^31 or 2^32-1 with a small real body", async () => {
    const server = await startServer();
    for (const size of [2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
      await withPeer(server, async (peer) => {
        peer.send(withSize(echoOfSize100(), size));
        await expectErrorAndClose(peer, new RegExp(`^protocol: .*its size would be ${size}\\)`));
      });
    }
  });

  test("sizes of gigabytes under a limit of memory", async () => {
    // A heap that a single one of these sizes would burst.
    const program = new URL("programs/server.mjs", import.meta.url).pathname;
    const child = spawn(process.execPath, ["--max-old-space-size=48", program, "open"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    later(() => child.kill("SIGKILL"));
    const [line] = (await once(child.stdout.setEncoding("utf8"), "data")) as [string];
    for (let round = 0; round < 50; round++) {
      const peer = await rawClient({ port: Number(line) });
      peer.send(withSize(echoOfSize100(), 2 ** 32 - 1));
      await expectErrorAndClose(peer, /^protocol: /);
    }
    child.stdin.end();
    expect(await once(child, "exit")).toEqual([0, null]);
  });

  // PITFALLS D20 (nestjs/nest#13145, CVE-2024-37168): nothing is taken because of what a length claims.
  test("100 connections that each claim 4 GiB", async () => {
    const server = await startServer();
    const before = residentBytes();
    const peers = await Promise.all(Array.from({ length: 100 }, () => server.raw()));
    for (const peer of peers) peer.send(Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0x7b]));
    for (const peer of peers) await expectErrorAndClose(peer, /^protocol: /);
    expect(residentBytes() - before).toBeLessThan(64 * 1024 * 1024);
  });

  test("a 34-byte packet with an empty body", async () => {
    const peer = await (await startServer()).raw();
    peer.send(rawPacket(Type.echo, ""));
    expect(errorOf(await peer.answer())).toBe("protocol: the content is not JSON");
    await expectOpen(peer);
  });

  test("a bad checksum", async () => {
    const peer = await (await startServer()).raw();
    peer.send(rawPacket(Type.echo, { auth_token: tokens.alice }, { checksum: "0".repeat(32) }));
    expect(errorOf(await peer.answer())).toMatch(/^protocol: the checksum is not/);
    await expectOpen(peer);
  });

  test("an upper-case checksum", async () => {
    const peer = await (await startServer()).raw();
    const packet = echoOf("upper");
    packet.write(packet.toString("latin1", packet.length - 32).toUpperCase(), packet.length - 32);
    peer.send(packet);
    expect(errorOf(await peer.answer())).toMatch(/^protocol: the checksum is not .* lower-case/);
    await expectOpen(peer);
  });

  test("a checksum that is not UTF-8", async () => {
    const peer = await (await startServer()).raw();
    peer.send(rawPacket(Type.echo, { auth_token: tokens.alice }, { checksum: Buffer.alloc(32, 0xfe) }));
    expect(errorOf(await peer.answer())).toMatch(/^protocol: the checksum is not/);
    await expectOpen(peer);
  });
});

function residentBytes(): number {
  try {
    return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return process.memoryUsage().rss;
  }
}
