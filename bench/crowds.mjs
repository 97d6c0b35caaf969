// What a client pays for 1, 10 and 100 instances of a service. All instances are in one process, each with a connection of
// its own to the broker, so a figure is the client's alone.
import { connect, defineCommand, Server } from "iscep";
import { natsDoor } from "iscep/nats";
import { withPeers } from "./peers.mjs";
import { median } from "./report.mjs";

const service = "crowd";
const calls = 5_000;

export async function crowdOfInstances({ url, tokens, count }) {
  const greet = defineCommand({ name: "greet", run: () => "hello" });
  const open = async () => {
    const doors = [natsDoor({ url, name: service })];
    await new Server({ commands: [greet], listen: [], tokens, doors }).listen();
  };
  for (let opened = 0; opened < count; opened += 10) {
    await Promise.all(Array.from({ length: Math.min(10, count - opened) }, open));
  }
  return {};
}

const processorUs = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

/** What is in use. Pages that the collector keeps for later would hide it. */
async function usedBytes() {
  for (let round = 0; round < 4; round++) {
    globalThis.gc?.();
    // Turns of the event loop between the collections give back what was just freed.
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

export async function clientOfCrowd({ url, token, count, idleMs }) {
  // What a first client pays, however many are there: code that is loaded, pools that are filled.
  const first = await connect(`${url}/${service}`, { token });
  await first.call("greet");
  await first.close();
  const bytesBefore = await usedBytes();
  const startedMs = performance.now();
  const client = await connect(`${url}/${service}`, { token });
  await client.call("greet");
  const connectMs = performance.now() - startedMs;
  const round = async () => {
    let left = calls;
    const caller = async () => {
      while (left-- > 0) await client.call("greet");
    };
    const before = processorUs();
    await Promise.all(Array.from({ length: 64 }, caller));
    return (processorUs() - before) / calls;
  };
  await round();
  const usPerCall = await round();
  const { length } = await client.instances();
  if (length !== count) throw new Error(`${length} instances are there instead of ${count}`);
  const bytes = (await usedBytes()) - bytesBefore;
  const idleBefore = processorUs();
  await new Promise((resolve) => setTimeout(resolve, idleMs));
  const idleUsPerSecond = ((processorUs() - idleBefore) / idleMs) * 1000;
  await client.close();
  return { connectMs, usPerCall, bytes, idleUsPerSecond };
}

export async function measureCrowds({ url, rounds, token, tokens }) {
  console.log(`what a client pays for the instances of a service, 64 calls in flight (${rounds} rounds)`);
  for (const count of [1, 10, 100]) {
    const told = [];
    for (let round = 0; round < rounds; round++) {
      told.push(
        await withPeers(2, async (crowd, client) => {
          await crowd.ask({ role: "nats-crowd", options: { url, tokens, count } });
          return client.ask({ role: "nats-crowd-client", options: { url, token, count, idleMs: 3_000 } });
        }),
      );
    }
    const tell = (name, value, digits, unit) => {
      const values = told.map(value);
      const [least, most] = [Math.min(...values), Math.max(...values)];
      const text = [median(values), least, most].map((each) => each.toFixed(digits));
      console.log(`    ${name.padEnd(22)} ${text[0]} ${unit} (${text[1]} to ${text[2]})`);
    };
    console.log(`  ${count} instance${count === 1 ? "" : "s"}`);
    tell("connect and first call", ({ connectMs }) => connectMs, 1, "ms");
    tell("a call", ({ usPerCall }) => usPerCall, 1, "µs of processor time");
    tell("idle", ({ idleUsPerSecond }) => idleUsPerSecond / 1000, 2, "ms of processor time a second");
    tell("memory", ({ bytes }) => bytes / 1024, 0, "KiB");
  }
  console.log("");
}
