// @ts-check
/** What calls from outside: another program, in another container. Its address and token come in ISCEP_URL. */
import assert from "node:assert/strict";
import { connect } from "iscep";

const client = await connect(process.env["ISCEP_URL"] ?? "iscep://127.0.0.1:8989");

// A script answers with its exit code and what it printed.
const backup = /** @type {import("iscep").ScriptResult} */ (await client.call("backup_world", { world: "overworld" }));
assert.equal(backup.exitCode, 0, backup.stderr);
assert.match(backup.stdout, /^backups\/overworld-.*\.tar\.gz\n$/);
console.log(`archived in ${backup.durationMs} ms: ${backup.stdout.trim()}`);

// Another one, which stands in iscep.yaml.
const size = /** @type {import("iscep").ScriptResult} */ (await client.call("world_size"));
assert.match(size.stdout, /^\d+\s+worlds\/overworld\n$/);

const missing = /** @type {import("iscep").ScriptResult} */ (await client.call("backup_world", { world: "nowhere" }));
assert.equal(missing.exitCode, 2);
assert.equal(missing.stderr, "there is no world nowhere\n");

// A function answers with its value.
assert.deepEqual(await client.call("make_operator", { player: "Ada" }), { operators: ["Ada"] });
await assert.rejects(client.call("make_operator", { player: "Ada" }), { message: "Ada is an operator already" });

// What does not fit is refused before anything runs: a path is no name of a world.
await assert.rejects(client.call("backup_world", { world: "../../etc" }), { code: "invalid_arguments" });
await client.close();
