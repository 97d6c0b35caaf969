/** A server of very many commands lists them in pages, on both versions, and no listing ends it. */
import { afterEach, describe, expect, test } from "vitest";
import { connect, declareArguments, defineCommand, Server, type Client, type Command } from "iscep";

const closed: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closed.splice(0).toReversed()) await close();
});

async function clientOf(commands: readonly Command[], protocol: 1 | 2): Promise<Client> {
  const server = new Server({ commands, port: 0, tls: false });
  const { url } = await server.listen();
  closed.push(() => server.close());
  const client = await connect(url, { protocol });
  closed.push(() => client.close());
  return client;
}

function numbered(count: number): Command[] {
  return Array.from({ length: count }, (_, index) => defineCommand({ name: `c${index}`, run: () => index }));
}

const withChoices = [
  defineCommand({ name: "a.worlds", run: () => ["one", "two"] }),
  defineCommand({
    name: "b.pick",
    args: declareArguments({ world: { type: "enum", choices: { from: "a.worlds" } } }),
    run: () => 1,
  }),
];

/** More keys than one answer may have. */
const huge = defineCommand({
  name: "huge",
  args: declareArguments(
    Object.fromEntries(Array.from({ length: 6_000 }, (_, index) => [`a${index}`, { type: "integer" as const }])),
  ),
  run: () => 1,
});

describe.each([1, 2] as const)("over version %i", (protocol) => {
  test("10,000 commands are listed, with the values that another one gives", async () => {
    const client = await clientOf([...withChoices, ...numbered(10_000)], protocol);
    const listed = await client.list();
    expect(listed.map(({ name }) => name)).toEqual(
      ["a.worlds", "b.pick", ...Array.from({ length: 10_000 }, (_, index) => `c${index}`)].toSorted(),
    );
    expect(listed[1]).toMatchObject({ args: { properties: { world: { enum: ["one", "two"] } } } });
  });

  test.each([
    ["at once", [huge]],
    ["after values were asked for", [...withChoices, huge]],
  ])("a listing that cannot be sent %s is answered, and the server goes on", async (_, commands) => {
    const client = await clientOf([...commands, ...numbered(1)], protocol);
    await expect(client.list()).rejects.toMatchObject({ message: expect.stringMatching(/keys|bytes/) as string });
    await expect(client.call("c0", {})).resolves.toBe(0);
  });
});
