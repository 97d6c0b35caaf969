// @ts-check
/** Several clients at once. Each has its own connection and gets its own answers, whatever the others do. */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { connect, declareArguments, defineCommand, Server } from "iscep";

const work = defineCommand({
  name: "work",
  description: "Take some time, and say whose work it was",
  args: declareArguments({ worker: { type: "integer" }, job: { type: "integer" } }),
  run: async ({ worker, job }, { signal }) => {
    await pause((worker * 7 + job * 3) % 10, undefined, { signal });
    return `job ${job} of worker ${worker}`;
  },
});

const server = new Server({ commands: [work], port: 0 });
const { url } = await server.listen();

const workers = await Promise.all(Array.from({ length: 10 }, () => connect(url)));
const answers = await Promise.all(
  workers.map((client, worker) =>
    Promise.all(Array.from({ length: 20 }, (_, job) => client.call("work", { worker, job }))),
  ),
);
answers.forEach((ofWorker, worker) =>
  ofWorker.forEach((answer, job) => assert.equal(answer, `job ${job} of worker ${worker}`)),
);
assert.equal(server.connections, 10);
console.log(`${workers.length} clients got ${answers.flat().length} answers, each its own`);

await Promise.all(workers.map((client) => client.close()));
await server.close();
