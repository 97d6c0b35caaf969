import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { connect, defineCommand, failureOf, Server, type Client } from "iscep";
import { errorOf } from "../support/error-of.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const shop = defineCommand({
  name: "shop",
  args: z.object({ item: z.string() }),
  errors: { sold_out: z.object({ left: z.int(), status: z.string().default("none") }), closed: z.object({}) },
  run: ({ item }, context) => {
    const { failure, output } = context;
    void output.write("stdout", `${context.runId.length} ${context.identity.owner} ${context.signal.aborted}`);
    if (item === "cheese") throw failure("sold_out", { left: 0 }, "no cheese at all");
    if (item === "late") throw failure("closed", {});
    // What a program in JavaScript may do.
    if (item === "wrong") throw failure("sold_out", { left: "none" } as never);
    if (item === "unknown") throw failure("stolen" as never, {} as never);
    return "bought";
  },
});

const sleepy = defineCommand({
  name: "sleepy",
  errors: { later: z.object({ at: z.string().refine(async () => true) }) },
  run: (_args, { failure }) => {
    throw failure("later", { at: "noon" });
  },
});

const commands = { shop, sleepy };

async function served(): Promise<Client<typeof commands>> {
  const server = new Server({ commands, unix: join(temporaryFolder(), "s.sock"), logs: false });
  onTestFinished(() => server.close({ graceMs: 0 }));
  const client = await connect<typeof commands>((await server.listen()).url);
  onTestFinished(() => client.close());
  return client;
}

test("a declared failure reaches the caller with its reason, its checked data and its message", async () => {
  const client = await served();
  const error = await errorOf(client.call("shop", { item: "cheese" }));
  expect(error).toMatchObject({ code: "failed", message: "no cheese at all" });
  expect(failureOf<typeof commands, "shop">(error)).toEqual({ reason: "sold_out", data: { left: 0, status: "none" } });
  const outcome = await client.run("shop", { item: "late" }).outcome;
  expect(failureOf("error" in outcome ? outcome.error : undefined)).toEqual({ reason: "closed", data: {} });
  expect(await client.call("shop", { item: "tea" })).toBe("bought");
});

test("data that does not fit, and a reason that was not declared, are faults of the command, which its caller is not told", async () => {
  const client = await served();
  for (const item of ["wrong", "unknown"]) {
    const error = await errorOf(client.call("shop", { item }));
    expect(error.message).toMatch(/^the command failed; the server's error.log has the reason/);
    expect(failureOf(error)).toBeUndefined();
  }
  expect(failureOf(await errorOf(client.call("sleepy")))).toBeUndefined();
});

test("any other error is no declared failure", async () => {
  const client = await served();
  expect(failureOf(await errorOf(client.call("shop", { item: 5 } as never)))).toBeUndefined();
  expect(failureOf(new Error("no"))).toBeUndefined();
  expect(failureOf(undefined)).toBeUndefined();
});

test("discovery tells what each failure says", async () => {
  const client = await served();
  const [described] = await client.list();
  expect(described?.errors).toMatchObject({
    sold_out: { type: "object", properties: { left: { type: "integer" } } },
    closed: { type: "object" },
  });
});

test.each([
  [{ "not a name": z.object({}) }, "letters, digits and _"],
  [{ wrong: 5 as never }, "needs a Standard Schema"],
])("%j is refused", async (errors, reason) => {
  const refused = await errorOf(() => defineCommand({ name: "x", errors, run: () => 1 }));
  expect(refused).toMatchObject({ code: "usage" });
  expect(refused.message).toContain(reason);
});
