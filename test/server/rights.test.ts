/** What tokens allow beyond whole commands: values of arguments, and the runs of others. On every door, by every way. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { connect, declareArguments, defineCommand, defineScript, type Client } from "iscep";
import { addToken } from "#iscep/identity/tokens-writer";
import { later } from "../support/cleanup.js";
import { startServer } from "../support/servers.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const backUp = defineCommand({
  name: "back_up",
  args: z.strictObject({ world: z.enum(["nether", "nether_roof", "end"]), keep: z.int().default(1) }),
  run: ({ world, keep }) => `${world} ${keep}`,
});
const wait = defineCommand({
  name: "wait",
  args: z.strictObject({}),
  run: async (_, { signal, output }) => {
    await output.write("stdout", "waiting");
    await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
  },
});

async function scene(
  protocol: 1 | 2,
  scopes: Readonly<Record<string, readonly string[]>>,
): Promise<Record<string, Client>> {
  const { url, tokensFile } = await startServer({ commands: [backUp, wait], tokens: {} });
  const clients: Record<string, Client> = {};
  for (const [owner, granted] of Object.entries(scopes)) {
    const { token } = await addToken(tokensFile, { owner, scopes: granted });
    const client = await connect(url, { token, protocol });
    later(() => client.close());
    clients[owner] = client;
  }
  return clients;
}

describe.each([1, 2] as const)("a token that is bound to values, version %i", (protocol) => {
  test("runs the command with these, and is told which they are", async () => {
    const { ada, bob } = await scene(protocol, {
      ada: ["discover", "run:back_up(world=nether*)"],
      bob: ["run:back_up(keep=1)"],
    });
    expect(await ada?.call("back_up", { world: "nether_roof" })).toBe("nether_roof 1");
    await expect(ada?.call("back_up", { world: "end" })).rejects.toMatchObject({
      code: "unauthorized",
      message: expect.stringContaining("only with world=nether*") as string,
    });
    // The default counts too, and wrong arguments are told as such.
    expect(await bob?.call("back_up", { world: "end" })).toBe("end 1");
    await expect(bob?.call("back_up", { world: "end", keep: 2 })).rejects.toMatchObject({ code: "unauthorized" });
    await expect(ada?.call("back_up", { world: "moon" })).rejects.toMatchObject({ code: "invalid_arguments" });
    await expect(ada?.call("wait", {})).rejects.toMatchObject({ code: "command_not_found" });
    const [described] = (await ada?.list()) ?? [];
    expect(described?.args["properties"]).toMatchObject({ world: { enum: ["nether", "nether_roof"] } });
  });
});

test("a token that is bound to a folder of paths does not leave it, by detour, link or absolute path", async () => {
  const folder = temporaryFolder();
  for (const name of ["public", "real"]) mkdirSync(path.join(folder, name));
  for (const name of ["public/a", "secret"]) writeFileSync(path.join(folder, name), "");
  symlinkSync("../secret", path.join(folder, "public", "out"));
  symlinkSync(folder, path.join(folder, "real", "base"));
  const base = path.join(folder, "real", "base");
  const one = { file: { type: "path", base } } as const;
  const list = { file: { type: "list", items: one.file } } as const;
  const { url, tokensFile } = await startServer({
    commands: [
      defineCommand({ name: "read", args: declareArguments(one), run: ({ file }) => file }),
      defineCommand({ name: "read_all", args: declareArguments(list), run: ({ file }) => file.join() }),
      defineScript({ name: "read_script", args: one, run: ["/bin/echo", "-n", "{file}"] }),
    ],
    tokens: {},
  });
  const client = async (glob: string): Promise<Client> => {
    const { token } = await addToken(tokensFile, { owner: glob, scopes: [`run:*(file=${glob})`] });
    const opened = await connect(url, { token });
    later(() => opened.close());
    return opened;
  };
  const relative = await client("public/*");
  const absolute = await client(`${base}/public/*`);
  const calls: ((on: Client, file: string) => Promise<unknown>)[] = [
    (on, file) => on.call("read", { file }),
    (on, file) => on.call("read_all", { file: [file] }),
    async (on, file) => ((await on.call("read_script", { file })) as { stdout: string }).stdout,
  ];
  const refused = { code: "unauthorized" };
  for (const call of calls) {
    expect(await call(relative, "public/a")).toBe(path.join(folder, "public/a"));
    expect(await call(absolute, `${base}/public/a`)).toBe(path.join(folder, "public/a"));
    for (const file of ["secret", "public/../secret", "public/./../public/../secret", "public/out", `${base}/public/a`])
      await expect(call(relative, file)).rejects.toMatchObject(refused);
    for (const file of ["public/a", `${base}/public/../secret`, `${base}/public/out`, `${base}/secret`])
      await expect(call(absolute, file)).rejects.toMatchObject(refused);
  }
});

describe("an operator", () => {
  test("lists, follows and cancels the runs of others, and starts none", async () => {
    const { ada, operator, eve } = await scene(2, {
      ada: ["run:*"],
      operator: ["discover", "runs:all"],
      eve: ["run:*", "runs:back_up"],
    });
    if (ada === undefined || operator === undefined || eve === undefined) throw new Error("no clients");
    const handle = ada.run("wait", {});
    const run = await handle.id;
    await ada.run("back_up", { world: "end" }).outcome;

    expect((await operator.runs()).runs).toEqual([]);
    // Two runs of one millisecond have no order.
    const all = (await operator.runs({ all: true })).runs.map(({ command, owner }) => `${command} ${owner}`);
    expect(all.toSorted()).toEqual(["back_up ada", "wait ada"]);
    const one = (query: object): Promise<string[]> =>
      operator.runs({ all: true, ...query }).then(({ runs }) => runs.map(({ command }) => command));
    expect(await one({ command: "wait" })).toEqual(["wait"]);
    expect(await one({ status: "running" })).toEqual(["wait"]);
    expect(await one({ status: "completed" })).toEqual(["back_up"]);
    expect(await one({ owner: "eve" })).toEqual([]);
    expect(await one({ sinceMs: Date.now() + 60_000 })).toEqual([]);
    await expect(operator.call("back_up", { world: "end" })).rejects.toMatchObject({ code: "command_not_found" });

    // A right to see one command's runs is none to another's.
    await expect(eve.runs({ run })).rejects.toMatchObject({ code: "run_not_found" });
    await expect(eve.cancel(run)).rejects.toMatchObject({ code: "run_not_found" });
    expect((await eve.attach(run).outcome).status).toBe("rejected");

    const watched = operator.attach(run);
    for await (const { bytes } of watched.output) {
      expect(Buffer.from(bytes).toString()).toBe("waiting");
      break;
    }
    await operator.cancel(run);
    expect((await handle.outcome).status).toBe("cancelled");
  });
});
