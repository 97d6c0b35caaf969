/** Tasks of the original, unchanged, are served by our server, and called by clients of both versions. */
import { spawnSync } from "node:child_process";
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { connect } from "iscep";
import { errorOf } from "../support/error-of.js";
import { serve } from "../support/iscep.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const hasPython = spawnSync("python3", ["--version"]).status === 0;

function example(): string {
  const folder = temporaryFolder();
  cpSync("examples/migrating", folder, { recursive: true });
  return folder;
}

function runTask(...words: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync("python3", ["run_task.py", ...words], {
    cwd: example(),
    input: "",
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

describe.skipIf(!hasPython)("examples/migrating", () => {
  test("serves tasks of the original to clients of both versions", async () => {
    const folder = example();
    const { url, stop } = await serve(["iscep.yaml", "--unix", "s.sock", "--no-auth"], { folder });
    for (const protocol of [1, 2] as const) {
      await using client = await connect(url, { protocol });
      expect(await client.call("greet", { name: "Ada \u2713" })).toBe("hello Ada \u2713");
      expect(await client.call("op_player", { player_name: "Ada", set_to_op: true })).toEqual({
        player: "Ada",
        operator: true,
      });
      expect(await client.call("wait", { seconds: 0.01 })).toBeNull();
      expect(await errorOf(client.call("op_player", { player_name: "Ada", set_to_op: "yes" }))).toMatchObject({
        code: "invalid_arguments",
      });
      const failed = await errorOf(client.call("wait", { seconds: 0, note: "fail" }));
      expect(failed.code).toBe("failed");
    }
    await using client = await connect(url);
    const run = client.run("greet", { name: "Ada" });
    let said = "";
    for await (const { channel, bytes } of run.output) said += `${channel}: ${Buffer.from(bytes).toString()}`;
    expect(said).toContain("stderr: somebody greets Ada");
    await client.close();
    await stop();
  });

  test("its iscep.yaml has the commands that the runner describes", () => {
    const described = JSON.parse(runTask("--describe", "tasks.py").stdout) as { commands: unknown };
    const { commands } = parse(readFileSync(join("examples/migrating", "iscep.yaml"), "utf8")) as { commands: unknown };
    expect(commands).toEqual(described.commands);
  });

  test("the runner says what is wrong", () => {
    expect(runTask("missing", "tasks.py")).toMatchObject({
      status: 1,
      stderr: "there is no task missing in tasks.py; there are greet, op_player, wait\n",
    });
    expect(runTask("wait").status).toBe(1);
  });
});
