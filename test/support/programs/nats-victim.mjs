// An instance of a service that kills itself at a named moment of a durable call, as SIGKILL from outside could.
// Arguments: the broker's address with the service, the moment, the file for lines, and the limits as JSON.
import { appendFileSync } from "node:fs";
import { defineCommand, Server } from "iscep";
import { natsDoor } from "#iscep/doors/nats/door";
import { QueueStates } from "#iscep/doors/nats/queue/states";
import { Claims } from "#iscep/nats/queue/claims";

const [url = "", moment = "", file = "", limits = "{}"] = process.argv.slice(2);

/** @param {string} now */
function dieAt(now) {
  if (now !== moment) return;
  appendFileSync(file, `killed ${now}\n`);
  process.kill(process.pid, "SIGKILL");
}

/**
 * Dies before or after a method does its work.
 * @param {any} type
 * @param {string} method
 * @param {(...args: any[]) => string} nameOf
 */
function around(type, method, nameOf) {
  /** @type {(...args: any[]) => Promise<unknown>} */
  const original = type.prototype[method];
  type.prototype[method] = async function (/** @type {any[]} */ ...args) {
    const name = nameOf(...args);
    dieAt(`before ${name}`);
    const result = await original.apply(this, args);
    dieAt(`after ${name}`);
    return result;
  };
}

around(Claims, "claim", (key) => (String(key).startsWith("claim.") ? "the claim" : "the claim of the key"));
around(QueueStates, "ended", () => "the outcome");
around(QueueStates, "joined", () => "the outcome of a joined call");

const mark = defineCommand({
  name: "mark",
  run: () => {
    appendFileSync(file, "began\n");
    dieAt("in the command");
    appendFileSync(file, "ended\n");
  },
});

const server = new Server({
  commands: [mark],
  listen: [],
  tokens: false,
  logs: false,
  limits: JSON.parse(limits),
  doors: [natsDoor({ url })],
});
await server.listen();
process.stdout.write("ready\n");
