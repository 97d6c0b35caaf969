import path from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { connect, defineCommand } from "iscep";
import { watchForLeaks } from "../../support/leaks.js";
import { later } from "../../support/cleanup.js";
import { errorOf } from "../../support/error-of.js";
import { startServer, tokens } from "../../support/servers.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

watchForLeaks();

async function versionTwo(url: string) {
  const client = await connect(url, { token: tokens.alice, protocol: 2 });
  later(() => client.close());
  return client;
}

test("echo in version 2 crosses the wire, and is held to what JSON can hold", async () => {
  const server = await startServer();
  const client = await versionTwo(server.url);
  const value = { a: [1, null, "ä"] };
  const back = await client.echo(value);
  expect(back).toEqual(value);
  expect(back).not.toBe(value);
  await expect(client.echo(Number.NaN)).rejects.toMatchObject({ code: "invalid_arguments" });
  for (let count = 0; count < 20; count++) expect(await client.ping()).toBeGreaterThan(0);
  const stranger = await connect(server.url, { protocol: 2 });
  later(() => stranger.close());
  await expect(stranger.echo(1)).rejects.toMatchObject({ code: "unauthorized" });
});

test("a key joins the run of its own command only", async () => {
  let ran = 0;
  const one = defineCommand({ name: "one", run: () => ++ran });
  const two = defineCommand({ name: "two", run: () => ++ran });
  const client = await versionTwo((await startServer({ commands: [one, two] })).url);
  const options = { idempotencyKey: "k" };
  expect(await client.call("one", {}, options)).toBe(1);
  expect(await client.call("one", {}, options)).toBe(1);
  await expect(client.call("two", {}, options)).rejects.toMatchObject({ code: "invalid_arguments" });
  await expect(client.call("three", {}, options)).rejects.toMatchObject({ code: "invalid_arguments" });
  expect(ran).toBe(1);
});

test("a key belongs to the arguments of its call, in whatever order they stand, and after a restart too", async () => {
  let ran = 0;
  const give = defineCommand({
    name: "give",
    args: z.object({ a: z.int().optional(), b: z.array(z.looseObject({})).optional() }),
    run: () => ++ran,
  });
  const runsFolder = path.join(temporaryFolder(), "runs");
  const options = { idempotencyKey: "k" };
  const other = {
    code: "invalid_arguments",
    message: "this idempotency key belongs to a call with other arguments; choose a new key",
  };
  for (let start = 0; start < 2; start++) {
    const server = await startServer({ commands: [give], runsFolder });
    const client = await versionTwo(server.url);
    expect(await client.call("give", { a: 1, b: [{ x: 1, y: 2 }] }, options)).toBe(1);
    expect(await client.call("give", { b: [{ y: 2, x: 1 }], a: 1 }, options)).toBe(1);
    for (const args of [{}, { a: 1 }, { a: 2, b: [{ x: 1, y: 2 }] }, { a: 1, b: [{ x: 1 }, { y: 2 }] }])
      expect(await errorOf(client.call("give", args, options))).toMatchObject(other);
    expect(await client.call("give", {}, { idempotencyKey: `other ${start}` })).toBe(2 + start);
    expect(await client.call("give", undefined, { idempotencyKey: `other ${start}` })).toBe(2 + start);
    await server.server.close();
  }
});

test("an answer that does not fit a packet is told, and the session goes on", async () => {
  const large = defineCommand({ name: "large", run: () => "x".repeat(5_000_000) });
  const client = await versionTwo((await startServer({ commands: [large] })).url);
  await expect(client.call("large")).rejects.toMatchObject({ code: "too_large" });
  await expect(client.echo("y".repeat(5_000_000))).rejects.toMatchObject({ code: "too_large" });
  expect(await client.echo("still here")).toBe("still here");
});
