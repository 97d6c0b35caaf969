// @ts-check
/** A program outside, in another container, that calls the service. ISCEP_URL has the address and the token. */
import assert from "node:assert/strict";
import { connect } from "iscep";

const client = await connect(process.env["ISCEP_URL"] ?? "iscep://127.0.0.1:8989");

// The answer of a script has its exit code and what it printed.
const backup = /** @type {import("iscep").ScriptResult} */ (await client.call("backup_world", { world: "overworld" }));
assert.equal(backup.exitCode, 0, backup.stderr);
assert.match(backup.stdout, /^backups\/overworld-.*\.tar\.gz\n$/);
console.log(`archived in ${backup.durationMs} ms: ${backup.stdout.trim()}`);

// This script is defined in iscep.yaml.
const size = /** @type {import("iscep").ScriptResult} */ (await client.call("world_size"));
assert.match(size.stdout, /^\d+\s+worlds\/overworld\n$/);

const missing = /** @type {import("iscep").ScriptResult} */ (await client.call("backup_world", { world: "nowhere" }));
assert.equal(missing.exitCode, 2);
assert.equal(missing.stderr, "there is no world nowhere\n");

// The answer of a function is its value.
assert.deepEqual(await client.call("make_operator", { player: "Ada" }), { operators: ["Ada"] });
await assert.rejects(client.call("make_operator", { player: "Ada" }), { message: "Ada is an operator already" });

// Arguments that do not fit are refused before anything runs: a path is not the name of a world.
await assert.rejects(client.call("backup_world", { world: "../../etc" }), { code: "invalid_arguments" });
await client.close();
