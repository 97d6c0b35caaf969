// An instance of a service, to be killed. Its command `mark` writes a line when it begins and one when it ends.
// Arguments: the broker's address, the file for lines, and the limits as JSON.
import { appendFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { declareArguments, defineCommand, Server } from "iscep";
import { natsDoor } from "#iscep/doors/nats/door";

const [url = "", file = "", limits = "{}"] = process.argv.slice(2);

const mark = defineCommand({
  name: "mark",
  args: declareArguments({ text: { type: "string" } }),
  run: async ({ text }) => {
    appendFileSync(file, `began ${text}\n`);
    await sleep(Math.random() * 30);
    appendFileSync(file, `ended ${text}\n`);
  },
});

const server = new Server({
  commands: [mark],
  listen: [],
  tokens: false,
  logs: false,
  limits: JSON.parse(limits),
  doors: [natsDoor({ url, name: "world" })],
});
await server.listen();
process.stdout.write("ready\n");
