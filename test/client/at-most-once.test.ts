/** A connection that is cut at any byte: the command ran once or not at all, and the client holds no wrong value. */
import { describe, expect, test } from "vitest";
import { connect, defineCommand, isIscepError } from "iscep";
import { z } from "zod";
import { watchForLeaks } from "../support/leaks.js";
import { faultProxy, type Harm } from "../support/fault-proxy.js";
import { rawPacket, Type } from "../support/raw-packets.js";
import { startServer, tokens } from "../support/servers.js";

watchForLeaks();

const args = { tag: "0123456789" };
const requestBytes = rawPacket(Type.command, { auth_token: tokens.alice, command: "count", args }).length;
const answerBytes = rawPacket(Type.response, { response: "run of 0123456789" }).length;

async function counting() {
  const runs = new Map<string, number>();
  const count = defineCommand({
    name: "count",
    description: "Counts its runs",
    args: z.object({ tag: z.string() }),
    run: ({ tag }) => {
      runs.set(tag, (runs.get(tag) ?? 0) + 1);
      return `run of ${tag}`;
    },
  });
  const server = await startServer({ commands: [count], logs: false });
  return { runs, server, proxy: await faultProxy(server.port ?? 0) };
}

function tagOf(index: number): string {
  return String(index).padStart(10, "0");
}

describe("a connection that is cut", () => {
  const directions: [string, number, (harm: Harm) => object][] = [
    ["on the way to the server", requestBytes, (harm) => ({ toServer: harm })],
    ["on the way back", answerBytes, (harm) => ({ toClient: harm })],
  ];

  test.each(directions)("%s, at every byte, by an end and by a reset", async (_name, bytes, harms) => {
    const { runs, server, proxy } = await counting();
    const outcomes = { value: 0, lost: 0 };
    let index = 0;
    for (const reset of [false, true]) {
      for (let cutAt = 0; cutAt <= bytes; cutAt++) {
        proxy.harm = harms({ cutAt, reset });
        const tag = tagOf(index++);
        const told = await connect(proxy.url, { token: tokens.alice, protocol: 1 })
          .then(async (client) => {
            try {
              return await client.call("count", { tag });
            } finally {
              await client.close();
            }
          })
          .catch((error: unknown) => error);
        const ran = runs.get(tag) ?? 0;
        const where = `cut at ${cutAt} of ${bytes}${reset ? ", reset" : ""}`;
        if (told === `run of ${tag}`) {
          outcomes.value++;
          expect(ran, where).toBe(1);
        } else {
          // Not known whether it ran: said so, and never sent again.
          outcomes.lost++;
          expect(isIscepError(told) ? told.code : told, where).toMatch(/^(?:lost|connect_failed)$/);
          expect(ran, where).toBeLessThanOrEqual(1);
        }
      }
    }
    expect(proxy.connections).toBe(index);
    expect(outcomes.lost).toBeGreaterThan(bytes);
    // A request that was cut never ran; an answer that was cut had run.
    await server.server.close();
    expect([...runs.values()].every((count) => count === 1)).toBe(true);
  });

  test("leaves the calls that wait behind it to a new connection", async () => {
    const { runs, proxy } = await counting();
    for (const cutAt of [1, 40, requestBytes - 20]) {
      const next = proxy.connections;
      proxy.harm = (connection) => (connection === next ? { toServer: { cutAt } } : {});
      const client = await connect(proxy.url, { token: tokens.alice, protocol: 1 });
      const calls = Array.from({ length: 5 }, (_, index) => client.call("count", { tag: `${cutAt} ${index}` }));
      const [first, ...others] = await Promise.allSettled(calls);
      expect(first).toMatchObject({ status: "rejected", reason: { code: "lost" } });
      expect(others.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "fulfilled", "fulfilled"]);
      expect(runs.get(`${cutAt} 0`)).toBeUndefined();
      expect(runs.get(`${cutAt} 4`)).toBe(1);
      await client.close();
    }
  });
});

describe("a connection that changes what passes", () => {
  test("one bit anywhere: never a wrong value, never a command with changed arguments", async () => {
    const { runs, proxy } = await counting();
    const told = new Map<string, unknown>();
    for (const [direction, bytes] of [
      ["toServer", requestBytes],
      ["toClient", answerBytes],
    ] as const) {
      for (let flipAt = 0; flipAt < bytes; flipAt++) {
        proxy.harm = { [direction]: { flipAt } };
        const client = await connect(proxy.url, { token: tokens.alice, protocol: 1 });
        const tag = `${direction === "toServer" ? 1 : 2}${String(flipAt).padStart(9, "0")}`;
        const answer: unknown = await client
          .call("count", { tag }, { timeoutMs: 15 })
          .catch((error: unknown) => (isIscepError(error) ? error.code : error));
        told.set(tag, answer);
        // The type is outside the checksum: a flipped one can only be another type, and these answer otherwise.
        expect([`run of ${tag}`, "lost", "protocol", "too_large", "timeout", "failed", "unauthorized"]).toContain(
          answer,
        );
        await client.close();
      }
    }
    for (const tag of runs.keys()) expect(told.has(tag), `ran with ${tag}`).toBe(true);
    expect([...runs.values()].every((count) => count === 1)).toBe(true);
  });

  test("in pieces and late: everything arrives", async () => {
    const { proxy } = await counting();
    proxy.harm = { toServer: { pieceBytes: 1 }, toClient: { pieceBytes: 3, delayMs: 2 } };
    const client = await connect(proxy.url, { token: tokens.alice, protocol: 1 });
    const calls = Array.from({ length: 10 }, (_, index) => client.call("count", { tag: tagOf(index) }));
    expect(await Promise.all(calls)).toEqual(calls.map((_, index) => `run of ${tagOf(index)}`));
    await client.close();
  });
});
