// @ts-check
/** Commands in worker threads. Four of them compute, and the server still answers everybody else at once. */
import assert from "node:assert/strict";
import { threadId } from "node:worker_threads";
import { connect, Server } from "iscep";
import * as commands from "./threads-commands.js";

const server = new Server({ commands, port: 0, threads: 4 });
const { url } = await server.listen();

const other = await connect(url);
const callers = await Promise.all([1, 2, 3, 4].map(() => connect(url)));
let computed = 0;
const results = Promise.all(
  callers.map(async (caller) => {
    const result = await caller.call("count_primes", { below: 1_000_000 });
    computed++;
    return result;
  }),
);

const roundTripMs = await other.ping();
assert.equal(computed, 0, "the ping was answered while all four computed");
console.log(`a ping took ${roundTripMs.toFixed(1)} ms while four threads computed`);

for (const result of await results) {
  assert.ok(typeof result === "object" && result !== null && "count" in result && "threadId" in result);
  assert.equal(result.count, 78_498);
  assert.notEqual(result.threadId, threadId);
}
console.log("all four counted 78,498 primes below 1,000,000");

await Promise.all([...callers, other].map((client) => client.close()));
await server.close();
