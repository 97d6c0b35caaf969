import { join } from "node:path";
import { expect, test, onTestFinished } from "vitest";
import { connect, declareArguments, defineCommand, Server } from "iscep";
import { temporaryFolder } from "../support/temporary-folder.js";

test("a schedule with a secret argument is listed, with *** in its place", async () => {
  const planned = defineCommand({
    name: "planned",
    logArgs: true,
    args: declareArguments({ world: { type: "string" }, password: { type: "secret", optional: true } }),
    schedule: { cron: "0 0 1 1 *", args: { world: "end", password: "topsecret-123" } },
    run: () => 1,
  });
  const server = new Server({ commands: [planned], unix: join(temporaryFolder(), "s.sock") });
  onTestFinished(() => server.close({ graceMs: 0 }));
  await using client = await connect((await server.listen()).url);
  expect(await client.schedules()).toMatchObject([{ args: { world: "end", password: "***" } }]);
});
