// @ts-check
/** A client of server.js. ISCEP_URL must have the address that the server printed. */
import assert from "node:assert/strict";
import { connect } from "iscep";

// With the types of the commands, the compiler knows names, arguments and results.
/** @type {import("iscep").Client<typeof import("./commands.js")>} */
const client = await connect(process.env["ISCEP_URL"] ?? "iscep://127.0.0.1:8989");

assert.equal(await client.echo("are you there?"), "are you there?");

const commands = await client.list();
console.log(`the server offers ${commands.map(({ name }) => name).join(", ")}`);

assert.equal(await client.call("greet"), "hello world");
assert.equal(await client.call("greet", { name: "Ada" }), "hello Ada");

// A run shows its output and progress while it goes on, and ends with exactly one outcome.
const run = client.run("count_down", { from: 3 });
run.onProgress((fraction) => console.log(`${Math.round(fraction * 100)}%`));
let counted = "";
for await (const { channel, bytes } of run.output) if (channel === "stdout") counted += Buffer.from(bytes).toString();
assert.equal(counted, "3\n2\n1\n");
assert.deepEqual(await run.outcome, { status: "completed", value: "zero" });

// Many calls may be in flight at once. Their answers come in any order.
assert.deepEqual(await Promise.all([1, 2, 3].map((n) => client.call("add", { a: n, b: n }))), [2, 4, 6]);

// Every fault has a stable code, and a sentence for people.
await assert.rejects(client.call("withdraw", { coins: 5 }), {
  code: "failed",
  message: "there are 0 coins, and 5 were asked for",
});
// @ts-expect-error A wrong call does not compile, and the server refuses it too.
await assert.rejects(client.call("add", { a: 1, b: "two" }), { code: "invalid_arguments" });

await client.close();
console.log("all calls were answered as expected");
