import { chmodSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { defineCommand, defineScript } from "iscep";
import { fitScriptResult } from "#iscep/model/script-result";
import { watchForLeaks } from "../support/leaks.js";
import { gate } from "../support/commands.js";
import { errorOf, rawPacket, Type } from "../support/raw-packets.js";
import { startServer, tokens } from "../support/servers.js";
import { temporaryFolder } from "../support/temporary-folder.js";

watchForLeaks();

function throwing(name: string, make: () => unknown) {
  return defineCommand({
    name,
    run: (): string => {
      throw make();
    },
  });
}

// PITFALLS D23 (nestjs/nest#1187, GHSA-fwhj-785h-43hh): no fault of one run ends the process.
describe("a server goes on, whatever a command does", () => {
  const strange = [
    throwing("no_prototype", () => Object.create(null) as unknown),
    throwing("throwing_text", () => ({
      toString() {
        throw new Error("no text");
      },
    })),
    throwing("throwing_getters", () => {
      const error = new Error("m");
      const get = (): never => {
        throw error;
      };
      return Object.defineProperties(error, { message: { get }, stack: { get } });
    }),
    throwing(
      "throwing_proxy",
      () =>
        new Proxy(
          {},
          {
            getPrototypeOf() {
              throw new Error("no prototype");
            },
          },
        ),
    ),
    throwing("symbol", () => Symbol("s")),
  ];

  test.each(strange.map((command) => [command.name, command] as const))("throwing %s", async (name, command) => {
    const server = await startServer({ commands: [command] });
    const client = await server.client();
    await expect(client.call(name)).rejects.toMatchObject({ code: "failed" });
    expect(await client.echo("still here")).toBe("still here");
    expect(await server.logged()).toContain("command_failed");
  });

  test("an array that claims four billion elements is refused at once", async () => {
    const holes = defineCommand({ name: "holes", run: () => Object.assign([] as number[], { length: 2 ** 32 - 1 }) });
    const client = await (await startServer({ commands: [holes] })).client();
    await expect(client.call("holes")).rejects.toMatchObject({ code: "failed" });
  });

  test("what toJSON makes is held to the same rules", async () => {
    const notANumber = defineCommand({ name: "nan", run: () => ({ toJSON: () => Number.NaN }) });
    const noDate = defineCommand({ name: "date", run: () => new Date(Number.NaN) });
    const client = await (await startServer({ commands: [notANumber, noDate] })).client();
    await expect(client.call("nan")).rejects.toMatchObject({ code: "failed" });
    await expect(client.call("date")).rejects.toMatchObject({ code: "failed" });
  });
});

describe("runs that wait", () => {
  test("start one after the other, however many callers have sent ahead", async () => {
    const held = gate();
    let ran = 0;
    const quick = defineCommand({ name: "quick", run: () => void ran++ });
    const server = await startServer({ commands: [held.command, quick], limits: { maxRuns: 1 } });
    const holder = (await server.client()).call("gate");
    await held.started(1);
    const many = Buffer.concat(
      Array.from({ length: 400 }, () => rawPacket(Type.command, { auth_token: tokens.alice, command: "quick" })),
    );
    // Each of them waits with its first packet, and has the others ready behind it.
    const peers = await Promise.all(Array.from({ length: 8 }, () => server.raw()));
    for (const peer of peers) {
      await peer.send(rawPacket(Type.echo, { auth_token: tokens.alice })).answer();
      peer.send(many);
    }
    held.open();
    await holder;
    for (const peer of peers) for (let index = 0; index < 400; index++) await peer.answer();
    expect(ran).toBe(8 * 400);
  });

  test("end with timeout when no place becomes free in time", async () => {
    const held = gate();
    const server = await startServer({
      commands: [held.command, defineCommand({ name: "quick", timeoutMs: 50, run: () => 1 })],
      limits: { maxRuns: 1 },
    });
    const holder = (await server.client()).call("gate");
    await held.started(1);
    await expect((await server.client()).call("quick")).rejects.toMatchObject({ code: "timeout" });
    held.open();
    await holder;
  });

  test("are told at once that the server closes", async () => {
    const held = gate();
    const server = await startServer({ commands: [held.command], limits: { maxRuns: 1 } });
    const holder = (await server.client()).call("gate");
    await held.started(1);
    const waiting = (await server.raw()).send(rawPacket(Type.command, { auth_token: tokens.alice, command: "gate" }));
    await (await server.raw()).send(rawPacket(Type.echo, { auth_token: tokens.alice })).answer();
    const closed = server.server.close();
    expect(errorOf(await waiting.answer())).toMatch(/^busy: the server is closing/);
    held.open();
    expect(await holder).toBe("through");
    await closed;
    expect(held.state.started).toBe(1);
  });
});

describe("a script that prints more than a version 1 answer holds", () => {
  test("keeps its exit code, and its output is cut and flagged", async () => {
    const folder = temporaryFolder();
    const file = path.join(folder, "talk.sh");
    writeFileSync(file, '#!/bin/sh\nhead -c 300000 /dev/zero | tr "\\0" x\necho trouble >&2\nexit 3\n');
    chmodSync(file, 0o700);
    const script = defineScript({ name: "talk", run: [file] });
    for (const tls of [false, true]) {
      const client = await (await startServer({ commands: [script], tls })).client({ protocol: 1 });
      const result = await client.call("talk");
      expect(result).toMatchObject({ exitCode: 3, stderr: "trouble\n", truncated: true });
      expect((result as { stdout: string }).stdout).toMatch(/^x{16000,}$|^x{60000,}$/);
    }
  });

  test("is cut by the bytes of its JSON, never inside a character", () => {
    const base = { exitCode: 0, signal: null, truncated: false, durationMs: 1 };
    for (const text of ["x", "é", "\u0000", "😀", '"'].map((character) => character.repeat(5_000))) {
      for (const maxBytes of [0, 100, 1_000, 1_001, 1_002, 1_003]) {
        const fitted = fitScriptResult({ ...base, stdout: text, stderr: text }, maxBytes);
        expect(text.startsWith(fitted.stdout)).toBe(true);
        expect(Buffer.from(fitted.stdout).toString()).toBe(fitted.stdout);
        expect(fitted.truncated).toBe(true);
        if (maxBytes >= 200) expect(Buffer.byteLength(JSON.stringify(fitted))).toBeLessThanOrEqual(maxBytes);
        if (maxBytes >= 200) expect(fitted.stderr.length).toBeGreaterThan(10);
      }
    }
    const small = { ...base, stdout: "a", stderr: "b" };
    expect(fitScriptResult(small, 1_000)).toBe(small);
  });
});
