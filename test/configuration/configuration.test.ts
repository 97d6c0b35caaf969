import { chmod, mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadConfiguration } from "#iscep/configuration/configuration";
import { parseDuration } from "#iscep/text/duration";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "iscep-configuration-"));
  await writeFile(path.join(folder, "backup.sh"), "#!/bin/sh\n");
  await chmod(path.join(folder, "backup.sh"), 0o700);
  await writeFile(path.join(folder, "plain.sh"), "#!/bin/sh\n", { mode: 0o600 });
  await writeFile(path.join(folder, "shared.sh"), "#!/bin/sh\n");
  await chmod(path.join(folder, "shared.sh"), 0o722);
  const library = JSON.stringify(import.meta.resolve("iscep"));
  await writeFile(
    path.join(folder, "commands.mjs"),
    `import { defineCommand } from ${library};\nexport const hello = defineCommand({ name: "hello", run: () => 1 });\n`,
  );
  await mkdir(path.join(folder, "worlds"));
});

afterAll(() => rm(folder, { recursive: true }));

let count = 0;

async function load(text: string) {
  const file = path.join(folder, `${count++}.yaml`);
  await writeFile(file, text);
  return { file, configuration: loadConfiguration(file) };
}

test("a whole file becomes settings, modules and scripts, with paths from its own folder", async () => {
  const { configuration } = await load(`
listen: 0.0.0.0:8989
tls: { cert: cert.pem, key: /etc/key.pem }
tokens: tokens.json
logs: logs
state: state
limits: { max_packet_bytes: 2MiB, run_timeout_ms: 90s, max_runs: 8, packet_timeout_per_64_kib_ms: 5 }
max_connections: 100
threads: 2
modules: [commands.mjs]
commands:
  backup_world:
    description: Archive a world folder
    run: [./backup.sh, --world, "{world}", "--mode={mode}", "{names}"]
    args:
      world: { type: string, pattern: "[a-z0-9_-]+", default: world, max_length: 20 }
      mode: { type: enum, choices: [fast, full] }
      names: { type: list, items: { type: integer, minimum: 0 }, max_items: 3, optional: true }
    timeout: 10m
    folder: worlds
    environment: { LEVEL: "9" }
  now:
    run: [date]
`);
  const { commands, ...settings } = await configuration;
  expect(settings).toEqual({
    places: expect.any(Map) as unknown,
    texts: expect.any(Map) as unknown,
    listen: [{ host: "0.0.0.0", port: 8989 }],
    tls: { cert: path.join(folder, "cert.pem"), key: "/etc/key.pem" },
    tokens: path.join(folder, "tokens.json"),
    logs: path.join(folder, "logs"),
    stateFolder: path.join(folder, "state"),
    limits: { maxPacketBytes: 2 * 1024 * 1024, runTimeoutMs: 90_000, maxRuns: 8, packetTimeoutPer64KiBMs: 5 },
    maxConnections: 100,
    threads: 2,
    modules: [path.join(folder, "commands.mjs")],
  });
  const [backup, now, fromModule] = commands;
  expect(commands).toHaveLength(3);
  expect(fromModule).toMatchObject({ kind: "function", name: "hello" });
  expect(backup).toMatchObject({
    kind: "script",
    name: "backup_world",
    description: "Archive a world folder",
    timeoutMs: 600_000,
    program: path.join(folder, "backup.sh"),
    folder: path.join(folder, "worlds"),
    environment: { LEVEL: "9", LANG: "C.UTF-8" },
    argsSchema: { required: ["mode"], additionalProperties: false },
  });
  expect(now).toMatchObject({ name: "now", folder });
  const check = backup?.checkArguments({ mode: "full", names: [1, 2] });
  expect(check).toEqual({ ok: true, args: { world: "world", mode: "full", names: [1, 2] } });
});

test.each<[string, object]>([
  ["listen: unix:run/iscep.sock", { unix: "run/iscep.sock" }],
  ["listen: '[::1]:0'", { host: "::1", port: 0 }],
  ["listen: localhost:1", { host: "localhost", port: 1 }],
  ["listen: 8989", { host: "127.0.0.1", port: 8989 }],
])("%s", async (text, expected) => {
  const { listen } = await (await load(text)).configuration;
  expect(listen).toEqual(["unix" in expected ? { unix: path.join(folder, String(expected.unix)) } : expected]);
});

test("tokens: false says what --no-auth says", async () => {
  expect((await (await load("tokens: false")).configuration).tokens).toBe(false);
  await expect((await load("tokens: true")).configuration).rejects.toThrow(/`tokens` must be a text/);
});

test("several places, and two free ports among them", async () => {
  const { listen } = await (await load("listen: [0.0.0.0:8989, unix:a.sock, 0, 0]")).configuration;
  const free = { host: "127.0.0.1", port: 0 };
  expect(listen).toEqual([{ host: "0.0.0.0", port: 8989 }, { unix: path.join(folder, "a.sock") }, free, free]);
});

test("a map takes over what others have, by <<, and its own keys come first", async () => {
  const { configuration } = await load(`x-common: &common { timeout: 10s, environment: &env { A: a, B: b } }
x-slow: &slow { timeout: 1h, description: slow }
commands:
  one: { <<: *common, run: [date], environment: { <<: *env, B: own } }
  two: { <<: [*common, *slow], run: [date] }
  three: { run: [date], timeout: 2s, <<: *slow }
`);
  const { commands } = await configuration;
  expect(commands).toMatchObject([
    { name: "one", timeoutMs: 10_000, environment: { A: "a", B: "own" } },
    { name: "two", timeoutMs: 10_000, description: "slow", environment: { A: "a", B: "b" } },
    { name: "three", timeoutMs: 2_000, description: "slow" },
  ]);
});

test("all faults of a file are told at once, up to a limit", async () => {
  const { file, configuration } = await load(`listen: nowhere
threds: 1
tls: { cert: c.pem }
limits: { max_rnus: 1 }
modules: [nowhere.mjs]
commands:
  one: { timeout: 10, folder: 5 }
  two: { run: [date, "{a}", "{b}"], args: { a: { type: strin }, b: { type: string, min: 1 } } }
`);
  const error: unknown = await configuration.catch((thrown: unknown) => thrown);
  const told = [
    `${file}:2:1: the file has no key "threds"; did you mean "threads"?`,
    `${file}:1:9: \`listen\` must be "HOST:PORT", "PORT", "[::1]:8989" or "unix:PATH", with a port from 0 to 65535`,
    `${file}:3:6: \`tls\` needs \`key\`: the key of the certificate; \`iscep cert\` makes both cert and key`,
    `${file}:4:11: \`limits\` has no key "max_rnus"; did you mean "max_runs"?`,
    `${file}:7:3: command "one" needs \`run\`: the program and its arguments, such as run: [./backup.sh, "{world}"]`,
    "and 5 more",
  ];
  expect(error).toMatchObject({ message: told.join("\n"), details: { problems: told } });
});

test.each([
  ["500ms", 500],
  ["30s", 30_000],
  ["10m", 600_000],
  ["2h", 7_200_000],
  ["1d", 86_400_000],
  ["1.5s", 1_500],
  ["0s", undefined],
  ["1 s", undefined],
  ["-1s", undefined],
  ["1w", undefined],
  ["", undefined],
])("the duration %s is %s ms", (text, durationMs) => {
  expect(parseDuration(text)).toBe(durationMs);
});

test("arguments go to every place that a file names, paths from its own folder", async () => {
  const { configuration } = await load(`
modules: [commands.mjs]
commands:
  query:
    run: [./backup.sh, "{target}", "--password={password:file}", "{options}"]
    args:
      target: { type: path, base: worlds, presence: new, kind: file }
      password: { type: secret, min_length: 3 }
      options: { type: list, items: { type: string, choices: { from: hello }, allow: [dash] }, optional: true }
      sql: { type: string, multiline: true }
      level: { type: enum, choices: [low, high], default: low }
    stdin: "{sql}"
    argument_variables: [level]
`);
  const [query] = (await configuration).commands;
  if (query?.kind !== "script") throw new Error("it is no script");
  const check = await query.checkArguments({ target: "a", password: "pass", options: ["-v"], sql: "x\n" });
  expect(check).toMatchObject({ ok: true, args: { target: path.join(await realpath(folder), "worlds/a") } });
  expect(query.invocation(check.ok && check.args)).toMatchObject({
    argv: [path.join(await realpath(folder), "worlds/a"), "--password=/dev/fd/3", "-v"],
    environment: { ISCEP_ARG_LEVEL: "low" },
    stdin: Buffer.from("x\n"),
    descriptors: [Buffer.from("pass")],
    secrets: ["pass"],
  });
  expect(query.choicesFrom).toEqual(new Map([["options", "hello"]]));
});
