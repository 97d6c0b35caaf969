import { describe, expect, test } from "vitest";
import { defineCommand, defineScript, type Client } from "iscep";
import { startServer, tokens } from "../support/servers.js";

const backup = defineCommand({ name: "backup", run: () => "ok", schedule: { cron: "0 3 * * *", timeZone: "UTC" } });
const other = defineCommand({ name: "other", run: () => "ok" });

async function start(): Promise<Awaited<ReturnType<typeof startServer>>> {
  return startServer({ commands: [backup, other] });
}

describe.each(["version 2", "in process"])("%s", (way) => {
  const clientOf = async (server: Awaited<ReturnType<typeof start>>): Promise<Client> =>
    way === "version 2" ? server.client() : server.server.client({ token: tokens.alice, source: "test" });

  test("a caller learns who they are, and what each of their scopes allows", async () => {
    const server = await start();
    await using client = await clientOf(server);
    expect(await client.whoAmI()).toEqual({
      owner: "alice",
      tokenId: null,
      scopes: [
        { scope: "discover", says: "list the commands that it may run" },
        { scope: "run:*", says: "run all commands" },
      ],
    });
  });

  test("schedules are told with their next times", async () => {
    const server = await start();
    await using client = await clientOf(server);
    const [schedule, ...more] = await client.schedules();
    expect(more).toEqual([]);
    expect(schedule).toMatchObject({ command: "backup", cron: "0 3 * * *", timeZone: "UTC", args: {} });
    expect(schedule?.nextMs).toHaveLength(5);
    for (const time of schedule?.nextMs ?? []) expect(new Date(time).toISOString()).toMatch(/T03:00:00.000Z$/);
  });
});

test("the secrets of a schedule are hidden, and the rest is told", async () => {
  const secretive = defineScript({
    name: "secretive",
    run: ["echo", "{plain}"],
    stdin: "{password}",
    args: { plain: { type: "string" }, password: { type: "secret" } },
    schedule: { cron: "0 0 1 1 *", args: { plain: "x", password: "topsecret-123" } },
  });
  const server = await startServer({ commands: [secretive] });
  await using client = await server.client();
  expect(await client.schedules()).toMatchObject([{ command: "secretive", args: { plain: "x", password: "***" } }]);
});

test("version 1 knows neither, and says so", async () => {
  const server = await start();
  await using client = await server.client({ protocol: 1 });
  await expect(client.whoAmI()).rejects.toMatchObject({ code: "protocol" });
  await expect(client.schedules()).rejects.toMatchObject({ code: "protocol" });
});

test("a server without tokens has no scopes", async () => {
  const server = await startServer({ tokens: false });
  await using client = server.server.client({ source: "test" });
  expect(await client.whoAmI()).toEqual({ owner: "anonymous", tokenId: null });
});
