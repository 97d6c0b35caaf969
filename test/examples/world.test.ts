/** The story that the original was made for: a world folder is archived from outside, and takes longer than a caller waits. */
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect, type Client } from "iscep";
import { readArchive } from "../../examples/support/read-archive.js";
import { iscep, makeWorldFolder, runToEnd, startServer } from "../../examples/support/service.js";
import { mainFile } from "../support/iscep-process.js";
import { until } from "../support/until.js";

const MiB = 1024 * 1024;
let world: Awaited<ReturnType<typeof makeWorldFolder>>;
let server: Awaited<ReturnType<typeof startServer>>;
let url: string;

beforeAll(async () => {
  world = await makeWorldFolder();
  const configuration = readFileSync(worldFile("iscep.yaml"), "utf8");
  writeFileSync(worldFile("iscep.yaml"), `${configuration}\nlimits: { caller_grace_ms: 500 }\n`);
  mkdirSync(worldFile("backups"));
  // While there is a file `hold`, an archive has all of its bytes and does not end.
  const script = readFileSync(worldFile("backup.js"), "utf8");
  const held = "async function* held(chunks) { yield* chunks; while (existsSync('hold')) await pause(10); }";
  writeFileSync(worldFile("backup.js"), `${script.replace("pipeline(source, ", "pipeline(source, held, ")}${held}\n`);
  mkdirSync(worldFile("worlds/fetched/region"), { recursive: true });
  writeFileSync(worldFile("worlds/fetched/level.json"), "{}");
  for (let x = 0; x < 8; x++) writeFileSync(worldFile(`worlds/fetched/region/r.${x}.mca`), randomBytes(MiB));
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

/** Resolves when the folder has a file whose name fits. */
async function archiveAppears(wanted: RegExp): Promise<string> {
  const found = (): string | undefined => archives().find((name) => wanted.test(name));
  await until(() => found() !== undefined, `no archive has a name like ${wanted.source}`);
  return found() ?? "";
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

test("the long backup of a caller who gave up, as the original's does after 5 seconds, goes on to its end", async () => {
  const region = "big/region/r.0.0.mca";
  mkdirSync(path.dirname(worldFile(`worlds/${region}`)), { recursive: true });
  writeFileSync(worldFile("worlds/big/level.json"), "{}");
  const bytes = randomBytes(2 * MiB);
  writeFileSync(worldFile(`worlds/${region}`), bytes);

  writeFileSync(worldFile("hold"), "");
  const client = await connect(url, { protocol: 1 });
  const call = client.call("backup_world", { world: "big" }, { timeoutMs: 500 });
  await expect(call).rejects.toMatchObject({ code: "timeout" });
  expect(archives().filter((name) => /^big-.*\.gz$/.test(name))).toEqual([]);
  // The late answer is not taken for the next call's.
  expect(await client.call("make_operator", { player: "Grace" })).toMatchObject({ operators: expect.any(Array) });
  await client.close();

  rmSync(worldFile("hold"));
  const files = await readArchive(worldFile(`backups/${await archiveAppears(/^big-.*\.tar\.gz$/)}`));
  expect(files.get(region)?.equals(bytes)).toBe(true);
});

async function standardOutput({ output }: ReturnType<Client["run"]>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const { channel, bytes } of output) if (channel === "stdout") chunks.push(bytes);
  return Buffer.concat(chunks);
}

describe("a world that is fetched and put back", () => {
  let client: Client;
  beforeAll(async () => {
    client = await connect(url);
  });
  afterAll(() => client?.close());

  const restored = (name: string): string[] => readdirSync(worldFile("worlds")).filter((it) => it.includes(name));

  test("comes as output while it is packed, with progress, and is the same under its new name", async () => {
    const run = client.run("export_world", { world: "fetched" });
    const told: [fraction: number, message: string | undefined][] = [];
    run.onProgress((fraction, message) => told.push([fraction, message]));
    const archive = await standardOutput(run);
    expect(await run.outcome).toMatchObject({ status: "completed", exitCode: 0 });
    expect(told.at(-1)).toEqual([1, expect.stringMatching(/^packing fetched/)]);

    const restore = client.run("restore_world", { world: "put_back" }, { stdin: Readable.from([archive]) });
    const names: string[] = [];
    for await (const { channel, bytes } of restore.output)
      if (channel === "stderr") names.push(String(Buffer.from(bytes)));
    expect(await restore.outcome).toMatchObject({ status: "completed", value: { stdout: "restored 9 files\n" } });
    expect(names.join("")).toContain("fetched/region/r.7.mca\n");
    for (const file of readdirSync(worldFile("worlds/fetched"), { recursive: true, encoding: "utf8" })) {
      const [old, now] = ["fetched", "put_back"].map((world) => path.join(worldFile("worlds"), world, file));
      if (/\./.test(file)) expect(readFileSync(now!).equals(readFileSync(old!)), file).toBe(true);
    }
  });

  test("is not there at all when its archive breaks off, or is none", async () => {
    const bytes = await standardOutput(client.run("export_world", { world: "fetched" }));
    for (const broken of [bytes.subarray(0, bytes.length / 2), Buffer.from("no archive"), Buffer.alloc(0)]) {
      const outcome = await client.run("restore_world", { world: "half" }, { stdin: Readable.from([broken]) }).outcome;
      expect(outcome.status).toBe("failed");
      expect(restored("half")).toEqual([]);
    }
    expect(restored(".restoring")).toEqual([]);
  });

  test("is not there when its caller goes away in the middle of it", async () => {
    const other = await connect(url);
    const archive = await standardOutput(client.run("export_world", { world: "fetched" }));
    async function* half() {
      yield archive.subarray(0, archive.length / 2);
      await new Promise(() => {});
    }
    const run = other.run("restore_world", { world: "left" }, { stdin: half() });
    await run.id;
    await expect.poll(() => restored(".restoring")).toHaveLength(1);
    await other.close();
    // It may come back for some seconds.
    await expect.poll(() => restored(".restoring"), { timeout: 20_000 }).toEqual([]);
    expect(restored("left")).toEqual([]);
  });

  test("is one of the choices that callers are offered, and nothing else is", async () => {
    expect(await client.call("list_worlds")).toEqual(expect.arrayContaining(["fetched", "overworld"]));
    const { stdout } = spawnSync(process.execPath, [mainFile, "call", "export_world", "--help"], {
      encoding: "utf8",
      env: { ...world.environment, ISCEP_URL: url },
    });
    expect(stdout).toMatch(/fetched.*overworld/);
    await expect(client.call("export_world", { world: "nowhere" })).rejects.toMatchObject({
      code: "invalid_arguments",
    });
  });

  test("does not take the place of one that is there", async () => {
    const outcome = await client.run("restore_world", { world: "overworld" }).outcome;
    expect(outcome).toMatchObject({ status: "failed", exitCode: 2 });
  });
});

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
    writeFileSync(worldFile("hold"), "");
    const child = spawn(process.execPath, [backup(), "stopped"], { cwd: world.folder, stdio: "ignore" });
    const ended = once(child, "close");
    await archiveAppears(/^stopped-/);
    child.kill("SIGTERM");
    expect(await ended).not.toEqual([0, null]);
    expect(archives().filter((name) => name.startsWith("stopped-"))).toEqual([]);
    rmSync(worldFile("hold"));
    rmSync(worldFile("worlds/stopped"), { recursive: true });
  });
});
