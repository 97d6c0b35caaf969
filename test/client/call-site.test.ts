import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { connect, defineCommand, Server, type Client } from "iscep";
import { errorOf } from "../support/error-of.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const boom = defineCommand({
  name: "boom",
  run: (): string => {
    throw new Error("secret reason");
  },
});

async function clients(): Promise<readonly (readonly [string, Client])[]> {
  const server = new Server({ commands: [boom], unix: join(temporaryFolder(), "s.sock"), logs: false });
  onTestFinished(() => server.close({ graceMs: 0 }));
  const { url } = await server.listen();
  const all = [
    ["version 2", await connect(url)],
    ["version 1", await connect(url, { protocol: 1 })],
    ["in process", server.client({ source: "test" })],
  ] as const;
  onTestFinished(async () => {
    for (const [, client] of all) await client.close();
  });
  return all;
}

test("the stack of an error names the command, and the function that called it, with its place", async () => {
  for (const [how, client] of await clients()) {
    async function makeTheCall(): Promise<void> {
      await client.call("boom");
    }
    const { stack = "", message } = await errorOf(makeTheCall());
    const [first, second, ...frames] = stack.split("\n");
    expect({ how, first, second }).toEqual({ how, first: `IscepError: ${message}`, second: '    at command "boom"' });
    // The tool that runs the tests writes such lines without `async`.
    expect(frames[0]).toMatch(/at (?:async )?makeTheCall \(.*call-site\.test\.ts:\d+:\d+\)/);
    if (client.protocol === 1) continue;
    expect((await errorOf(client.run("boom").value)).stack).toContain('\n    at command "boom"');
  }
});
