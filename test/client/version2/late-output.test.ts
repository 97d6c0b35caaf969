/** Output that somebody reads late, or never, takes a place at the server no longer than its run does. */
import { expect, test } from "vitest";
import { defineCommand } from "iscep";
import { watchForLeaks } from "../../support/leaks.js";
import { startServer } from "../../support/servers.js";

watchForLeaks();

test("an attach for output that was read late is over when its run is", async () => {
  const state = { printed: 0 };
  let allowEnd = (): void => {};
  const prints = defineCommand({
    name: "prints",
    run: async (_args, { output }) => {
      for (; state.printed < 300_000; state.printed += 30_000) await output.write("stdout", "x".repeat(30_000));
      await new Promise<void>((resolve) => (allowEnd = resolve));
    },
  });
  // Both places would be taken for good.
  const server = await startServer({ commands: [prints], limits: { maxCallsInFlight: 2 } });
  const client = await server.client({ timeoutMs: 40_000 });
  for (const round of [1, 2]) {
    state.printed = 0;
    const run = client.run("prints", {});
    // The client parks the output, which nobody reads yet, and so the command goes on.
    while (state.printed < 300_000) await client.echo(round);
    let bytes = 0;
    for await (const chunk of run.output) {
      bytes += chunk.bytes.length;
      if (bytes === 300_000) allowEnd();
    }
    expect(bytes).toBe(300_000);
    expect((await run.outcome).status).toBe("completed");
  }
  expect(await client.echo("a place")).toBe("a place");
});
