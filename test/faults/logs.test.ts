import { describe, expect, test } from "vitest";
import { connect } from "iscep";
import { addToken } from "#iscep/identity/tokens-writer";
import { watchForLeaks } from "../support/leaks.js";
import { later } from "../support/cleanup.js";
import { rawPacket, Type } from "../support/raw-packets.js";
import { canary, logLines, startServer, tokens, type TestServer } from "../support/servers.js";

watchForLeaks();

/** Sends packets one after the other, and gives the lines of the logs with the number of connections' own lines taken out. */
async function linesAfter(
  server: TestServer,
  ...packets: Buffer[]
): Promise<{ text: string; lines: Record<string, unknown>[] }> {
  const peer = await server.raw();
  for (const packet of packets) {
    peer.send(packet);
    await peer.next();
  }
  await peer.destroy();
  const text = await server.logged();
  const lines = logLines(text).filter(({ event }) => event !== "open" && event !== "close");
  return { text, lines };
}

/** One line that parses, and nothing in the file that a terminal or a reader of lines would take for more. */
function expectOneHonestLine({ text, lines }: { text: string; lines: readonly unknown[] }): void {
  expect(lines).toHaveLength(1);
  expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u);
}

/** One line in commands.log, one in error.log. */
function expectHonestRejection({ text, lines }: { text: string; lines: readonly unknown[] }): void {
  expect(lines).toHaveLength(2);
  expectOneHonestLine({ text, lines: lines.slice(1) });
}

const forged = 'x\n{"event":"forged","owner":"root"}\r\u001b[2J\u009b31m\u2028\u202e';

describe("logs", () => {
  test("args is a string with a newline", async () => {
    const server = await startServer();
    const packet = rawPacket(Type.command, { auth_token: tokens.alice, command: "echo_task", args: forged });
    const logged = await linesAfter(server, packet);
    expectHonestRejection(logged);
    expect(logged.lines).toContainEqual(expect.objectContaining({ status: "rejected", owner: "alice" }));
  });

  test("an unknown key with a newline, without a token", async () => {
    const logged = await linesAfter(await startServer(), rawPacket(Type.echo, { [forged]: 1 }));
    expectOneHonestLine(logged);
    expect(logged.text).not.toContain("forged");
  });

  test("a checksum field with newline and escape, without a token", async () => {
    const checksum = Buffer.from("\n\u001b[2J forged \u009b\n".padEnd(32, "x"), "latin1").subarray(0, 32);
    const logged = await linesAfter(await startServer(), rawPacket(Type.echo, {}, { checksum }));
    expectOneHonestLine(logged);
    expect(logged.text).not.toContain("forged");
  });

  test("an exception text with a newline", async () => {
    const packet = rawPacket(Type.command, { auth_token: tokens.alice, command: "fail", args: { message: forged } });
    const { text, lines } = await linesAfter(await startServer(), packet);
    // One line in error.log, one in commands.log.
    expect(lines).toHaveLength(2);
    expectOneHonestLine({ text, lines: lines.slice(1) });
    expect(lines.filter(({ event }) => event === "forged")).toEqual([]);
    expect(lines.some(({ message }) => message === forged)).toBe(true);
  });

  test("args with a newline inside", async () => {
    const args = { message: forged, [forged]: forged };
    const logged = await linesAfter(
      await startServer(),
      rawPacket(Type.command, { auth_token: tokens.alice, command: "echo_task", args }),
    );
    expectHonestRejection(logged);
  });

  test("secrets in logs and output", async () => {
    const written: string[] = [];
    const restore = [process.stdout, process.stderr].map((stream) => {
      const original = stream.write.bind(stream);
      stream.write = (chunk: string | Uint8Array, ...rest: never[]) => {
        written.push(typeof chunk === "string" ? chunk : Buffer.from(chunk).toString());
        return original(chunk, ...rest);
      };
      return () => (stream.write = original);
    });
    later(() => restore.forEach((undo) => undo()));
    const server = await startServer({ tls: true });
    // A whole session, with the secret in every place where a caller can put one.
    const client = await connect(server.url, { token: tokens.alice });
    const secret = `${canary}-argument`;
    await client.call("echo_task", { message: secret });
    await client.list();
    for (const work of [
      () => client.call(secret, {}),
      () => client.call("echo_task", { message: 1, unknown: secret }),
      () => client.call("any", { value: { deep: secret } }, { token: `${secret}-wrong` }),
      () => client.call("fail", { message: "no secret here" }),
    ]) {
      const error: unknown = await work().catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: expect.any(String) });
      expect(JSON.stringify(error)).not.toContain(tokens.alice);
    }
    await client.close();
    const peer = await server.raw();
    for (const content of [
      { auth_token: [tokens.alice] },
      { auth_token: tokens.alice, command: "echo_task", args: tokens.alice },
      { auth_token: tokens.alice, response: tokens.bob },
      { auth_token: `${tokens.alice}-wrong`, command: "echo_task", args: { message: secret } },
      { auth_token: tokens.alice, command: ["echo_task", secret] },
      { [secret]: 1 },
    ]) {
      peer.send(rawPacket(Type.command, content));
      expect((await peer.answer()).body).not.toContain(canary);
    }
    await peer.destroy();
    const logged = await server.logged();
    expect(logged.split("\n").length).toBeGreaterThan(8);
    // The name of an unknown command is what was called, and what an audit needs; tokens and arguments are never there.
    for (const token of Object.values(tokens)) expect(logged).not.toContain(token);
    expect(logLines(logged).filter((line) => JSON.stringify({ ...line, command: "" }).includes(`"${canary}`))).toEqual(
      [],
    );
    expect(written.join("")).not.toContain(canary);
  });

  test("amplification: malformed packets that fill the logs", async () => {
    const server = await startServer();
    const peer = await server.raw();
    // Without a good token the connection would end at the sixth.
    await peer.send(rawPacket(Type.echo, { auth_token: tokens.alice, response: { echo: 1 } })).answer();
    const malformed = rawPacket(Type.echo, { [`unknown${canary}`]: 1 });
    const count = 2_000;
    for (let sent = 0; sent < count; sent += 100) {
      peer.send(Buffer.concat(Array.from({ length: 100 }, () => malformed)));
      await peer.until(1 + sent + 100);
    }
    expect(peer.packets).toHaveLength(1 + count);
    await peer.destroy();
    const logged = await server.logged();
    expect(logged.length).toBeLessThan((malformed.length * count) / 10);
    expect(logged).not.toContain(canary);
  });

  test("amplification: calls that a token may not make", async () => {
    const server = await startServer({ tokens: {}, limits: { malformedLogIntervalMs: 60_000 } });
    const { token } = await addToken(server.tokensFile, { owner: "carol", scopes: ["run:nothing"] });
    const client = await connect(server.url, { token });
    const count = 3_000;
    const calls = Array.from({ length: count }, () => client.call("add", { a: 1, b: 2 }));
    for (const call of await Promise.allSettled(calls)) expect(call).toMatchObject({ status: "rejected" });
    await client.close();
    const logged = logLines(await server.logged());
    const refused = logged.filter(({ command }) => command === "add");
    expect(refused.length).toBeGreaterThan(0);
    // The first few, and one line in the time of the limit, in each of two files.
    expect(refused.length).toBeLessThan(count / 50);
    const counted = refused.filter(({ status }) => status === "rejected");
    const known = counted.reduce((sum, { suppressed }) => sum + 1 + Number(suppressed ?? 0), 0);
    expect(known).toBeLessThanOrEqual(count);
    expect(JSON.stringify(refused)).not.toContain("stack");
  });

  test("a logger that prints once more for each client", async () => {
    const server = await startServer();
    const listeners = (): number => process.listenerCount("exit") + process.listenerCount("warning");
    const first = await connect(server.url, { token: tokens.alice });
    const before = listeners();
    for (let count = 0; count < 15; count++) {
      const client = await connect(server.url, { token: tokens.alice });
      await client.call("noargs", {});
      await client.close();
    }
    await first.call("echo_task", { message: "once" });
    await first.close();
    expect(listeners()).toBe(before);
    const commands = logLines(await server.logged()).filter(({ command }) => command === "echo_task");
    expect(commands).toHaveLength(1);
  });
});
