/** The story that the original was made for: a world folder is archived from outside, and takes longer than a caller waits. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { watch } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect } from "iscep";
import { readArchive } from "../../examples/support/read-archive.js";
import { iscep, makeWorldFolder, runToEnd, startServer } from "../../examples/support/service.js";

const MiB = 1024 * 1024;
let world: Awaited<ReturnType<typeof makeWorldFolder>>;
let server: Awaited<ReturnType<typeof startServer>>;
let url: string;

beforeAll(async () => {
  world = await makeWorldFolder();
  mkdirSync(worldFile("backups")); // there before the first archive, so that it can be watched
  await iscep(["tokens", "add", "somebody-else"], world);
  server = await startServer(["--port", "0"], world);
  const made = JSON.parse(await iscep(["tokens", "add", "operator", "--url", server.url, "--json"], world)) as {
    url: string;
  };
  url = made.url;
});

afterAll(async () => {
  await server?.stop();
  await world?.remove();
});

const worldFile = (file: string): string => path.join(world.folder, file);
const archives = (): string[] => readdirSync(worldFile("backups"));

/** Resolves when the folder has a file that `wanted` accepts. */
async function appears(wanted: (name: string) => boolean): Promise<string> {
  const changes = watch(worldFile("backups"), { signal: AbortSignal.timeout(20_000) });
  for await (const _ of changes) {
    const name = archives().find(wanted);
    if (name !== undefined) return name;
  }
  throw new Error("unreachable: the watch ends by its signal, which throws");
}

test("another process archives the world and makes an operator", async () => {
  const said = await runToEnd(["outside.js"], world.folder, { ...world.environment, ISCEP_URL: url });
  const [, archive = ""] = /^archived in \d+ ms: (\S+)$/m.exec(said) ?? [];
  const files = await readArchive(worldFile(archive));
  const level = "overworld/level.json";
  expect(files.get(level)).toEqual(readFileSync(worldFile(`worlds/${level}`)));
  expect(JSON.parse(readFileSync(worldFile("ops.json"), "utf8"))).toEqual([{ name: "Ada", level: 4 }]);
});

test("operators who are made at the same time are all kept", async () => {
  const clients = await Promise.all([1, 2, 3, 4, 5].map(() => connect(url)));
  await Promise.all(clients.map((client, index) => client.call("make_operator", { player: `player_${index}` })));
  await Promise.all(clients.map((client) => client.close()));
  const operators = JSON.parse(readFileSync(worldFile("ops.json"), "utf8")) as { name: string }[];
  expect(operators.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["player_0", "player_1", "player_2", "player_3", "player_4"]),
  );
  expect(readdirSync(world.folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
});

test("the long backup of a caller who gave up after 5 seconds, as the original's does, goes on to its end", async () => {
  const region = "big/region/r.0.0.mca";
  mkdirSync(path.dirname(worldFile(`worlds/${region}`)), { recursive: true });
  writeFileSync(worldFile("worlds/big/level.json"), "{}");
  const bytes = randomBytes(6 * MiB);
  writeFileSync(worldFile(`worlds/${region}`), bytes);

  const client = await connect(url, { timeoutMs: 5_000, protocol: 1 });
  const call = client.call("backup_world", { world: "big", limit: 1 });
  const finished = appears((name) => /^big-.*\.tar\.gz$/.test(name));
  await expect(call).rejects.toMatchObject({ code: "timeout" });
  expect(archives().filter((name) => /^big-.*\.gz$/.test(name))).toEqual([]);
  // The late answer is not taken for the next call's.
  expect(await client.call("make_operator", { player: "Grace" })).toMatchObject({ operators: expect.any(Array) });
  await client.close();

  const files = await readArchive(worldFile(`backups/${await finished}`));
  expect(files.get(region)?.equals(bytes)).toBe(true);
}, 30_000);

describe("backup.js", () => {
  const backup = worldFile.bind(null, "backup.js");

  test("makes the same archive where there is no tar program", async () => {
    const withoutTar = { ...world.environment, PATH: worldFile("nothing-here") };
    const said = await runToEnd([backup(), "overworld"], world.folder, withoutTar);
    const files = await readArchive(worldFile(said.trim()));
    expect([...files.keys()]).toEqual(["overworld/level.json"]);
    expect(files.get("overworld/level.json")).toEqual(readFileSync(worldFile("worlds/overworld/level.json")));
  });

  test("leaves no half archive when it is told to stop", async () => {
    mkdirSync(worldFile("worlds/stopped"));
    writeFileSync(worldFile("worlds/stopped/level.json"), randomBytes(4 * MiB));
    const started = appears((name) => name.startsWith("stopped-"));
    const child = spawn(process.execPath, [backup(), "stopped", "1"], { cwd: world.folder, stdio: "ignore" });
    await started;
    child.kill("SIGTERM");
    expect(await once(child, "close")).not.toEqual([0, null]);
    expect(archives().filter((name) => name.startsWith("stopped-"))).toEqual([]);
    rmSync(worldFile("worlds/stopped"), { recursive: true });
  });
});
