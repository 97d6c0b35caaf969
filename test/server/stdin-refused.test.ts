import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { connect, defineCommand, defineScript, Server } from "iscep";
import { temporaryFolder } from "../support/temporary-folder.js";

test("a call with standard input for a command with stdin: false is refused by the server, on every door", async () => {
  let runs = 0;
  const commands = [
    defineCommand({ name: "function", stdin: false, run: () => ++runs }),
    defineScript({ name: "script", stdin: false, run: ["/bin/cat"] }),
    defineScript({ name: "open", run: ["/bin/cat"] }),
  ];
  const server = new Server({ commands, unix: join(temporaryFolder(), "s.sock"), logs: false });
  onTestFinished(() => server.close({ graceMs: 0 }));
  await using outside = await connect((await server.listen()).url);
  await using inside = server.client({ source: "test" });
  for (const client of [outside, inside]) {
    for (const name of ["function", "script"]) {
      expect(await client.run(name, {}, { stdin: "data" }).outcome).toMatchObject({
        status: "rejected",
        error: { code: "invalid_arguments", message: expect.stringContaining("takes no standard input") },
      });
    }
    expect(runs).toBe(0);
    expect(await client.run("script").outcome).toMatchObject({ status: "completed" });
    expect(await client.run("open", {}, { stdin: "data" }).value).toMatchObject({ stdout: "data" });
  }
  const descriptions = await outside.list();
  expect(descriptions.map(({ stdin }) => stdin)).toEqual([undefined, undefined, undefined]);
});
