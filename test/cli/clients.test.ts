import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { Server } from "iscep";
import { loadCommandModule } from "#iscep/commands/load-module";
import { ended, firstLine, iscep, type RunOptions } from "../support/iscep.js";
import { startProcess } from "../support/iscep-process.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const commandsFile = fileURLToPath(new URL("programs/commands.mjs", import.meta.url));

/** A server on a unix socket, and how to run the command line against it. */
async function served(commands: string[] = [commandsFile]): Promise<RunOptions> {
  const folder = temporaryFolder();
  const loaded = await Promise.all(commands.map(loadCommandModule));
  const server = new Server({ commands: loaded.flat(), unix: join(folder, "s.sock") });
  onTestFinished(() => server.close({ graceMs: 0 }));
  const { url } = await server.listen();
  return { folder, environment: { ISCEP_URL: url } };
}

describe("iscep ls", () => {
  test("shows commands, arguments and descriptions", async () => {
    const { code, stdout, stderr } = await iscep(["ls"], await served());
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatchInlineSnapshot(`
      "COMMAND  ARGUMENTS                                         DESCRIPTION
      crash                                                      Throws
      deploy   --url STRING [--json] [--help] [--tags STRING …]  Takes arguments that are called like options
      forever                                                    Ends when it is told to
      greet    --message STRING [--times INTEGER (1)] [--shout]  Greets someone
      letters  --count INTEGER                                   Returns many letters
      nothing                                                    Returns nothing
      refuse   --code STRING                                     Ends with an error of a code
      steer                                                      Returns what steers a terminal
      "
    `);
  });

  test("--json is an array of descriptions", async () => {
    const { stdout } = await iscep(["ls", "--json"], await served());
    const descriptions = JSON.parse(stdout) as { name: string }[];
    expect(descriptions).toHaveLength(8);
    expect(descriptions.find(({ name }) => name === "nothing")).toMatchObject({
      name: "nothing",
      description: "Returns nothing",
      kind: "function",
      args: { type: "object" },
      timeoutMs: 300_000,
    });
  });

  test("a server without commands is no error", async () => {
    const options = await served([]);
    expect(await iscep(["ls"], options)).toMatchObject({
      code: 0,
      stdout: "",
      stderr: expect.stringContaining("no command") as string,
    });
    expect((await iscep(["ls", "--json"], options)).stdout).toBe("[]\n");
  });
});

describe("iscep ping", () => {
  test("tells the time of each round trip", async () => {
    const options = await served();
    expect((await iscep(["ping"], options)).stdout).toMatch(/^1: \d+\.\d{3} ms\n$/);
    const three = (await iscep(["ping", "--count", "3"], options)).stdout;
    expect(three).toMatch(/^(\d: \d+\.\d{3} ms\n){3}3 round trips: least [\d.]+ ms, mean [\d.]+ ms, most [\d.]+ ms\n$/);
    const json = JSON.parse((await iscep(["ping", "--count", "2", "--json"], options)).stdout) as { timesMs: number[] };
    expect(json).toMatchObject({ count: 2, minMs: Math.min(...json.timesMs), maxMs: Math.max(...json.timesMs) });
  });

  test("ends when nobody reads", async () => {
    const child = startProcess(["ping", "--count", "1000000"], await served());
    const end = ended(child);
    await firstLine(child);
    child.stdout.destroy();
    expect(await end).toMatchObject({ code: 0, stderr: "" });
  });
});
