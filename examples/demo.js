// @ts-check
/**
 * `npm run demo` starts a real server in a process of its own, with TLS, a token and commands, and calls it from this
 * process. Everything is in a temporary folder, which is removed again.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect, isIscepError } from "iscep";
import { readArchive } from "./support/read-archive.js";
import { iscep, makeWorldFolder, startServer } from "./support/service.js";

/** @typedef {import("iscep").ScriptResult} ScriptResult */

const world = await makeWorldFolder();
/** @type {Awaited<ReturnType<typeof startServer>> | undefined} */
let server;
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) {
  process.once(signal, () => void cleanUp().finally(() => process.exit(130)));
}

try {
  await makeBigWorld();
  server = await start();
  await call(await makeToken(server.url));
  await callWithoutToken(server.url);
  const { code, stderr } = await server.stop();
  assert.equal(code, 0, `the server ended with ${code}: ${stderr}`);
  say("server stopped", "it let its work end and exited with 0");
} catch (error) {
  console.error(`the demo failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  process.exitCode = 1;
} finally {
  await cleanUp();
}
if (process.exitCode !== 1) console.log("\nthe demo is done: everything happened as it should");

/** Something to archive: 8 files of 1 MiB that cannot be compressed. */
async function makeBigWorld() {
  const regions = join(world.folder, "worlds/overworld/region");
  await mkdir(regions);
  for (let x = 0; x < 8; x++) await writeFile(join(regions, `r.${x}.0.mca`), randomBytes(1024 * 1024));
}

async function start() {
  // The server never starts without the tokens file that it was told to use, so the file must exist first.
  await iscep(["tokens", "add", "somebody-else"], world);
  const functions = fileURLToPath(new URL("commands.js", import.meta.url));
  const started = await startServer(["iscep.yaml", functions, "--port", "0"], world);
  say("server", `process ${started.pid} listens on ${started.url}`);
  return started;
}

/** Returns the address with a new token in it. @param {string} url */
async function makeToken(url) {
  const made = await iscep(["tokens", "add", "operator", "--url", url, "--json"], world);
  const token = /** @type {{ id: string, url: string }} */ (JSON.parse(made));
  say("token", `${token.id} of operator; the running server knows it already`);
  return token.url;
}

/** @param {string} url */
async function call(url) {
  // No schema, no code generation: the compiler takes names, arguments and results from the commands themselves.
  /** @type {import("iscep").Client<typeof import("./commands.js")>} */
  const typed = await connect(url, { timeoutMs: 60_000 });
  say("connected", "over TLS, to the one key that the pin in the address names");

  assert.equal(await typed.echo("hello?"), "hello?");
  say("echo", `came back, and a round trip takes ${(await typed.ping()).toFixed(2)} ms`);

  const names = (await typed.list()).map(({ name }) => name);
  assert.ok(["add", "backup_world", "greet", "make_operator", "whoami"].every((name) => names.includes(name)));
  say("discovery", names.join(", "));

  assert.equal(await typed.call("add", { a: 40, b: 2 }), 42);
  assert.equal(await typed.call("whoami"), "operator");
  say("typed function", "add({ a: 40, b: 2 }) is 42, and whoami() is operator");
  await typed.close();

  const client = await connect(url, { timeoutMs: 60_000 });
  const backup = /** @type {ScriptResult} */ (await client.call("backup_world", { world: "overworld" }));
  assert.equal(backup.exitCode, 0, backup.stderr);
  const archive = await readArchive(join(world.folder, backup.stdout.trim()));
  for (let x = 0; x < 8; x++) {
    const region = `overworld/region/r.${x}.0.mca`;
    assert.ok(archive.get(region)?.equals(await readFile(join(world.folder, "worlds", region))), `${region} is whole`);
  }
  say(
    "script",
    `archived ${archive.size} files of the world in ${Math.round(backup.durationMs)} ms; all are in ${backup.stdout.trim()}`,
  );

  const run = client.run("count_down", { from: 3 });
  let counted = "";
  for await (const { bytes } of run.output) counted += Buffer.from(bytes).toString();
  assert.equal(counted, "3\n2\n1\n");
  assert.equal((await run.outcome).status, "completed");
  say("live output", `${counted.trim().replaceAll("\n", ", ")} came while the command ran; its outcome is completed`);

  await client.call("make_operator", { player: "Ada" });
  const operators = await readFile(join(world.folder, "ops.json"), "utf8");
  assert.ok(operators.includes('"Ada"'));
  say("function", "make_operator wrote Ada into ops.json");

  const refused = await refusal(client.call("backup_world", { world: "../../etc" }));
  assert.equal(refused.code, "invalid_arguments");
  say("refused", refused.message);
  await client.close();
}

/** @param {string} url */
async function callWithoutToken(url) {
  const stranger = await connect(url);
  const refused = await refusal(stranger.call("backup_world"));
  assert.equal(refused.code, "unauthorized");
  say("refused", `a caller without a token: ${refused.message}`);
  await stranger.close();
}

/** @param {Promise<unknown>} call */
async function refusal(call) {
  try {
    await call;
  } catch (error) {
    if (isIscepError(error)) return error;
    throw error;
  }
  throw new Error("a call that should have been refused was answered");
}

/**
 * @param {string} what
 * @param {string} how
 */
function say(what, how) {
  console.log(`${what.padEnd(16)}${how}`);
}

async function cleanUp() {
  await server?.stop();
  await world.remove();
}
