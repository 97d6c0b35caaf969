/** Commands that return or throw what they should not: their callers are told, and the server goes on. */
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineCommand, IscepError, type Command } from "iscep";
import { watchForLeaks } from "../support/leaks.js";
import { originalTasks } from "../support/commands.js";
import { errorOf, rawPacket, Type } from "../support/raw-packets.js";
import { canary, startServer, tokens } from "../support/servers.js";

watchForLeaks();

function command(name: string, run: () => unknown): Command {
  return defineCommand({ name, description: "", run });
}

/** The text of the ERROR; the connection goes on. */
async function textOf(bad: Command, args: unknown = {}, tls = false): Promise<string> {
  const server = await startServer({ commands: [...originalTasks, bad], tls, limits: { maxRuns: 1 } });
  const peer = await server.raw();
  peer.send(rawPacket(Type.echo, { auth_token: tokens.alice }));
  await peer.answer();
  peer.send(rawPacket(Type.command, { auth_token: tokens.alice, command: bad.name, args }));
  const text = errorOf(await peer.answer());
  // The place of the run was given back, once.
  for (let count = 0; count < 3; count++) {
    peer.send(rawPacket(Type.command, { auth_token: tokens.alice, command: "noargs" }));
    expect((await peer.answer()).body).toBe('{"response":"ok"}');
  }
  return text;
}

describe("a result", () => {
  test("whose reading fails is told without its reason", async () => {
    const failing = [
      command("then", () => ({
        // oxlint-disable-next-line unicorn/no-thenable -- the fault itself
        get then(): never {
          throw new Error(canary);
        },
      })),
      command("thenable", () => ({
        // oxlint-disable-next-line unicorn/no-thenable -- the fault itself
        then(): never {
          throw new Error(canary);
        },
      })),
      command("to_json", () => ({
        toJSON(): never {
          throw new Error(canary);
        },
      })),
      command("getter", () => ({
        get value(): never {
          throw new Error(canary);
        },
      })),
      command("rejected", () => Promise.reject(new Error(canary))),
      command("thrown_text", () => AbortSignal.abort(canary).throwIfAborted()),
    ];
    for (const bad of failing) {
      const text = await textOf(bad);
      expect(text, bad.name).toMatch(/^failed: ./);
      expect(text).not.toContain(canary);
    }
  });

  test("of a thenable that settles twice counts once", async () => {
    const twice = command("twice", () => ({
      // oxlint-disable-next-line unicorn/no-thenable -- the fault itself
      then(resolve: (value: unknown) => void, reject: (error: unknown) => void) {
        reject(new IscepError("busy", "the first"));
        resolve("the second");
        resolve("the third");
      },
    }));
    expect(await textOf(twice)).toBe("busy: the first");
  });

  test("that JSON cannot hold is told, with the place", async () => {
    const circle: { self?: unknown } = {};
    circle.self = circle;
    expect(await textOf(command("circle", () => circle))).toMatch(/nests too deep, or holds itself/);
    expect(await textOf(command("bigint", () => ({ a: [1n] })))).toMatch(/\.a\[0\]: a bigint/);
    expect(await textOf(command("map", () => new Map()))).toMatch(/a Map has no form/);
    expect(await textOf(command("text", () => () => "function"))).toMatch(/a function has no form/);
  });
});

describe("an error", () => {
  test("that a command means for its caller arrives with its code", async () => {
    expect(await textOf(command("told", () => Promise.reject(new IscepError("busy", "the disk is full"))))).toBe(
      "busy: the disk is full",
    );
  });

  test("with a long text is cut to what a version 1 peer can read", async () => {
    for (const tls of [false, true]) {
      const most = tls ? 16_384 : 65_535;
      for (const character of ["y", "\u0001", "é", "😀"]) {
        const talks = command("talks", () => {
          throw new IscepError("failed", character.repeat(100_000));
        });
        const text = await textOf(talks, {}, tls);
        expect(text).toMatch(/… \(cut\)$/);
        expect(rawPacket(Type.error, { error: text }).length).toBeLessThanOrEqual(most);
        expect(text.length).toBeGreaterThan(most / 10);
      }
    }
  });

  test("over thousands of wrong arguments stays short", async () => {
    const list = defineCommand({ name: "list", args: z.object({ list: z.array(z.int()) }), run: () => 1 });
    const wrong = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`unknown_${index}`, 1]));
    for (const args of [{ list: Array.from({ length: 5_000 }, () => "x") }, wrong]) {
      const text = await textOf(list, args, true);
      expect(text).toMatch(/^invalid_arguments: ./);
      expect(text.length).toBeLessThan(4_000);
    }
  });
});
