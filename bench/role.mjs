// One process of a measurement: `node bench/role.mjs ROLE`, told what to do by messages from bench/run.mjs.
import net from "node:net";
import { connect, defineCommand, declareArguments, Server } from "iscep";
import { bareClient, barePipelinedClient, bareServer } from "./bare.mjs";

const greet = defineCommand({
  name: "greet",
  description: "Answers its arguments",
  args: declareArguments({ message: { type: "string" }, numb: { type: "integer" } }),
  run: (args) => args,
});

const args = { message: "hello", numb: 1 };

/** `inFlight` callers on each of the clients, each calling again as soon as it has its answer. */
async function manyInFlight(clients, inFlight, ms) {
  let calls = 0;
  const caller = async (client, until) => {
    while (performance.now() < until) {
      for (let index = 0; index < 20; index++) {
        const answer = await client.call("greet", args);
        if (answer.message !== "hello" || answer.numb !== 1) throw new Error("a wrong answer");
        calls++;
      }
    }
  };
  const round = async (duration) => {
    calls = 0;
    const started = performance.now();
    const until = started + duration;
    await Promise.all(clients.flatMap((client) => Array.from({ length: inFlight }, () => caller(client, until))));
    return calls / ((performance.now() - started) / 1000);
  };
  await round(500);
  return round(ms);
}

/** Calls one after another for `ms`; every answer is checked. */
async function oneInFlight(call, ms) {
  const started = process.hrtime.bigint();
  const until = started + BigInt(ms) * 1_000_000n;
  let calls = 0;
  while (process.hrtime.bigint() < until) {
    for (let index = 0; index < 100; index++) {
      const answer = await call();
      if (answer.message !== "hello" || answer.numb !== 1) throw new Error("a wrong answer");
      calls++;
    }
  }
  return calls / (Number(process.hrtime.bigint() - started) / 1e9);
}

const roles = {
  "bare-server": () => bareServer(),
  "iscep-server": async ({ tokens }) => {
    const server = new Server({ commands: [greet], port: 0, tls: false, ...(tokens ? { tokens } : {}) });
    const { port } = await server.listen();
    return { port };
  },
  "bare-client": async ({ port, token, ms }) => {
    const client = await bareClient(port);
    await oneInFlight(() => client.call("greet", args, token), 300);
    const perSecond = await oneInFlight(() => client.call("greet", args, token), ms);
    client.close();
    return { perSecond };
  },
  "iscep-client": async ({ port, token, ms, protocol }) => {
    const client = await connect(`iscep+tcp://127.0.0.1:${port}`, { token, protocol });
    await oneInFlight(() => client.call("greet", args), 300);
    const perSecond = await oneInFlight(() => client.call("greet", args), ms);
    await client.close();
    return { perSecond };
  },
  "bare-pipelined": async ({ port, connections, inFlight, ms }) => {
    const clients = await Promise.all(Array.from({ length: connections }, () => barePipelinedClient(port)));
    const perSecond = await manyInFlight(clients, inFlight, ms);
    for (const client of clients) client.close();
    return { perSecond };
  },
  "iscep-pipelined": async ({ port, connections, inFlight, ms, token }) => {
    const url = `iscep+tcp://127.0.0.1:${port}`;
    const clients = await Promise.all(Array.from({ length: connections }, () => connect(url, { token, protocol: 2 })));
    const perSecond = await manyInFlight(clients, inFlight, ms);
    for (const client of clients) await client.close();
    return { perSecond };
  },
  /** Opens connections that say nothing, and keeps them until the process ends. */
  "idle-clients": async ({ port, count }) => {
    const sockets = [];
    for (let opened = 0; opened < count; opened += 250) {
      await Promise.all(
        Array.from({ length: Math.min(250, count - opened) }, () => {
          const socket = net.connect({ port, host: "127.0.0.1" });
          sockets.push(socket);
          return new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
        }),
      );
    }
    return { open: sockets.filter((socket) => !socket.destroyed).length };
  },
};

function memory() {
  for (let round = 0; round < 4; round++) globalThis.gc?.();
  return process.memoryUsage.rss();
}

process.on("message", ({ role, options, measure }) => {
  if (measure === "memory") {
    // Twice, with a turn of the event loop between: what was just freed is given back then.
    memory();
    setTimeout(() => process.send({ rss: memory() }), 200);
    return;
  }
  // A rejection ends the process, and the other side is told by its exit.
  void roles[role](options ?? {}).then((answer) => process.send(answer));
});
process.on("disconnect", () => process.exit());
