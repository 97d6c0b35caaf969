// A server of its own process, run by the tests of faults: `server.mjs open|TOKENS_FILE`. It prints its port, tells each
// run of `wait` as a line, and closes in good order at SIGTERM, SIGINT, or when its standard input ends.
import { setTimeout as sleep } from "node:timers/promises";
import { declareArguments, defineCommand, Server } from "iscep";

const wait = defineCommand({
  name: "wait",
  description: "Takes its time",
  args: declareArguments({ ms: { type: "integer" } }),
  run: async ({ ms }, { signal }) => {
    process.stdout.write("started\n");
    await sleep(ms, undefined, { signal });
    return "waited";
  },
});

const [tokens] = process.argv.slice(2);
const server = new Server({
  commands: [wait],
  port: 0,
  tls: false,
  ...(tokens === undefined || tokens === "open" ? {} : { tokens }),
  limits: { closeGraceMs: 1_000 },
});
const { port } = await server.listen();
process.stdout.write(`${port}\n`);

async function close() {
  await server.close();
  process.exitCode = 0;
  process.stdin.destroy();
}
for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => void close());
process.stdin.once("end", () => void close()).resume();
