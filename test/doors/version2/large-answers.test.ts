/** Whatever the size of an answer is, and whatever leaves beside it: it arrives, or its own request is refused. */
import { expect, test } from "vitest";
import { declareArguments, defineCommand } from "iscep";
import { watchForLeaks } from "../../support/leaks.js";
import { errorOf } from "../../support/error-of.js";
import { startServer } from "../../support/servers.js";

watchForLeaks();

test("a value that fills a packet arrives with the many small ones of its turn", async () => {
  const limits = { maxPacketBytes: 131_072 };
  const small = defineCommand({ name: "small", run: () => "é".repeat(400) });
  const large = defineCommand({ name: "large", run: () => "y".repeat(131_072 - 8_192 - 2) });
  const server = await startServer({ commands: [small, large], limits });
  const client = await server.client({ protocol: 2, limits });
  for (const count of [0, 3, 20, 46]) {
    const values = await Promise.all([
      ...Array.from({ length: count }, () => client.call("small", {})),
      client.call("large", {}),
      client.call("small", {}),
    ]);
    expect(values.map((value) => String(value).length)).toEqual([...Array<number>(count).fill(400), 122_878, 400]);
  }
});

test.each([{ maxJsonDepth: 5 }, { maxJsonKeys: 6 }])(
  "a list that waited for choices, and that JSON cannot hold with %j, is refused alone",
  async (limits) => {
    const worlds = defineCommand({ name: "worlds", run: () => ["a", "b"] });
    const args = declareArguments({ world: { type: "enum", choices: { from: "worlds" } } });
    const backup = defineCommand({ name: "backup", args, run: () => 1 });
    const server = await startServer({ commands: [worlds, backup], limits });
    const client = await server.client({ protocol: 2 });
    expect((await errorOf(client.list())).message).toMatch(/nests too deep|too many keys/);
    expect(await client.call("worlds", {})).toEqual(["a", "b"]);
  },
);
