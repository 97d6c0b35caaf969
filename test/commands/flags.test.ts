/** What the author says of a command's effects is checked when it is defined, and told by discovery. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { connect, defineCommand, defineScript, Server } from "iscep";
import { describeCommand, readDescriptions } from "#iscep/commands/describe";
import type { FlagsDefinition } from "#iscep/commands/flags";
import { loadConfiguration } from "#iscep/configuration/configuration";
import { temporaryFolder } from "../support/temporary-folder.js";

const flags = { confirm: "It is gone then.", readOnly: true, idempotent: true, hiddenFrom: ["mcp"] } as const;
const one = (more: FlagsDefinition): unknown => defineCommand({ name: "one", ...more, run: () => 1 });

test("functions and scripts have them", () => {
  expect(one(flags)).toMatchObject(flags);
  expect(defineScript({ name: "one", run: ["true"], ...flags })).toMatchObject(flags);
  for (const name of Object.keys(flags)) expect(one({ confirm: false, readOnly: false })).not.toHaveProperty(name);
});

test.each<[object, RegExp]>([
  [{ confirm: " " }, /confirm of "one" must be true, or a sentence/],
  [{ confirm: 1 }, /confirm of "one" must be true/],
  [{ readOnly: "yes" }, /readOnly of "one" must be true or false/],
  [{ idempotent: 0 }, /idempotent of "one" must be true or false/],
  [{ hiddenFrom: "mcp" }, /hiddenFrom of "one" must be a list of doors: mcp/],
  [{ hiddenFrom: ["mpc"] }, /names "mpc"; did you mean "mcp"\?; it can name mcp/],
  [{ read_only: true }, /did you mean "readOnly"/],
])("%j is refused", (more, message) => {
  expect(() => one(more)).toThrow(expect.objectContaining({ code: "usage", message: expect.stringMatching(message) }));
  expect(() => defineScript({ name: "one", run: ["true"], ...more })).toThrow(message);
});

test.each([1, 2] as const)("discovery of version %d tells them", async (protocol) => {
  const server = new Server({
    port: 0,
    tls: false,
    commands: [defineCommand({ name: "one", ...flags, run: () => 1 })],
  });
  const { url } = await server.listen();
  onTestFinished(() => server.close({ graceMs: 0 }));
  await using client = await connect(url, { protocol });
  expect(await client.list()).toMatchObject([flags]);
});

test("what a newer or a strange server tells is left out, and the rest is read", () => {
  const told = describeCommand(defineCommand({ name: "one", ...flags, run: () => 1 }), 1);
  const [read] = readDescriptions([{ ...told, hiddenFrom: ["mcp", "moon"], confirm: 7, readOnly: "yes" }]);
  expect(read).toMatchObject({ idempotent: true, hiddenFrom: ["mcp"] });
  expect(read).not.toHaveProperty("confirm");
  expect(read).not.toHaveProperty("readOnly");
});

describe("in iscep.yaml", () => {
  async function load(lines: string): Promise<unknown> {
    const file = path.join(temporaryFolder(), "iscep.yaml");
    writeFileSync(file, `commands:\n  one:\n    run: ["true"]\n${lines.replaceAll(/^/gm, "    ")}\n`);
    return (await loadConfiguration(file)).commands[0];
  }

  test("they are read", async () => {
    const yaml = "confirm: It is gone then.\nread_only: true\nidempotent: true\nhidden_from: [mcp]";
    expect(await load(yaml)).toMatchObject(flags);
    expect(await load("confirm: true")).toMatchObject({ confirm: true });
    expect(await load("confirm: false\nhidden_from: []")).not.toHaveProperty("confirm");
  });

  test.each<[string, RegExp]>([
    ["confirm: 1", /yaml:4:14: `confirm` must be a text; put it in quotes/],
    ["read_only: maybe", /yaml:4:16: `read_only` must be true or false/],
    ["hidden_from: [http]", /must be one of mcp/],
    ["readonly: true", /did you mean "read_only"/],
  ])("%s has its place in the message", async (line, message) => {
    await expect(load(line)).rejects.toThrow(message);
  });
});
