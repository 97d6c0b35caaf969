// One process of a measurement: `node bench/role.mjs`. It gets its orders by messages from bench/peers.mjs.
import net from "node:net";
import { connect, defineCommand, declareArguments, Server } from "iscep";
import { httpDoor } from "iscep/http";
import { honoServer, httpCalls, httpEvents } from "./http.mjs";
import { clientOfCrowd, crowdOfInstances } from "./crowds.mjs";
import { callsOfSleepers, sleepingInstance } from "./instances.mjs";
import { bareNatsClient, bareNatsOutput, bareNatsServer, iscepNatsClient, iscepNatsServer } from "./nats.mjs";
import { bareClient, bareOutput, barePipelinedClient, bareServer } from "./bare.mjs";

const greet = defineCommand({
  name: "greet",
  description: "Answers its arguments",
  args: declareArguments({ message: { type: "string" }, numb: { type: "integer" } }),
  run: (args) => args,
});

const stream = defineCommand({
  name: "stream",
  description: "Writes pieces of output, and waits where its reader is slower",
  args: declareArguments({ pieces: { type: "integer" }, pieceBytes: { type: "integer" } }),
  async run({ pieces, pieceBytes }, { output }) {
    const piece = Buffer.alloc(pieceBytes, "x");
    for (let index = 0; index < pieces; index++) {
      const waits = output.write("stdout", piece);
      if (waits !== undefined) await waits;
    }
  },
});

const wait = defineCommand({
  name: "wait",
  description: "Never ends by itself",
  run: () => new Promise(() => {}),
});

const args = { message: "hello", numb: 1 };

function check(answer) {
  if (answer.message !== "hello" || answer.numb !== 1) throw new Error("a wrong answer");
}

/** Runs `inFlight` callers on each client. Each one calls again as soon as it has its answer. */
async function manyInFlight(clients, inFlight, ms) {
  let calls = 0;
  const caller = async (client, until) => {
    while (performance.now() < until) {
      for (let index = 0; index < 20; index++) {
        check(await client.call("greet", args));
        calls++;
      }
    }
  };
  const round = async (duration) => {
    calls = 0;
    const started = performance.now();
    const until = started + duration;
    await Promise.all(clients.flatMap((client) => Array.from({ length: inFlight }, () => caller(client, until))));
    return { calls, perSecond: calls / ((performance.now() - started) / 1000) };
  };
  const first = await round(500);
  const measured = await round(ms);
  return { ...measured, calls: first.calls + measured.calls };
}

/** Makes calls one after another for `ms`. Every answer is checked, and every call is timed. */
async function oneInFlight(call, ms) {
  const microseconds = new Float64Array(1_000_000);
  const round = async (duration) => {
    const startedMs = performance.now();
    let calls = 0;
    for (let nowMs = startedMs; nowMs < startedMs + duration && calls < microseconds.length;) {
      check(await call());
      const answeredMs = performance.now();
      microseconds[calls++] = (answeredMs - nowMs) * 1000;
      nowMs = answeredMs;
    }
    const times = microseconds.slice(0, calls).sort();
    const seconds = (performance.now() - startedMs) / 1000;
    return { perSecond: calls / seconds, p99Microseconds: times[Math.floor(calls * 0.99)] };
  };
  await round(500);
  return round(ms);
}

async function outputPerSecond({ pieces, pieceBytes }, receive) {
  const startedMs = performance.now();
  await receive();
  const seconds = (performance.now() - startedMs) / 1000;
  return { piecesPerSecond: pieces / seconds, megabytesPerSecond: (pieces * pieceBytes) / 1e6 / seconds };
}

async function iscepOutput(client, { pieces, pieceBytes }) {
  const receive = async (count) => {
    let bytes = 0;
    const run = client.run("stream", { pieces: count, pieceBytes });
    for await (const chunk of run.output) bytes += chunk.bytes.length;
    await run.value;
    if (bytes !== count * pieceBytes) throw new Error(`${bytes} bytes came instead of ${count * pieceBytes}`);
  };
  await receive(Math.ceil(pieces / 10));
  return outputPerSecond({ pieces, pieceBytes }, () => receive(pieces));
}

/** What this process holds open until it ends. */
const held = [];

async function inBatches(count, batch, open) {
  for (let opened = 0; opened < count; opened += batch) {
    held.push(...(await Promise.all(Array.from({ length: Math.min(batch, count - opened) }, open))));
  }
}

const urlOf = ({ port, pin }) =>
  pin === undefined ? `iscep+tcp://127.0.0.1:${port}` : `iscep://127.0.0.1:${port}?pin=${pin}`;

const roles = {
  "bare-server": () => bareServer(),
  "iscep-server": async ({
    tokens,
    tls = false,
    folder,
    logs,
    limits,
    otherCommands = 0,
    runsFolder,
    http = false,
  }) => {
    const startedMs = performance.now();
    const others = Array.from({ length: otherCommands }, (_, index) =>
      defineCommand({ name: `other_${index}`, description: "Is there", run: () => index }),
    );
    const server = new Server({
      commands: [greet, stream, wait, ...others],
      port: 0,
      tls,
      limits,
      ...(folder ? { stateFolder: folder } : {}),
      ...(logs ? { logs } : {}),
      ...(tokens ? { tokens } : {}),
      ...(runsFolder ? { runsFolder } : {}),
      ...(http ? { doors: [httpDoor()] } : {}),
    });
    const { port, pin } = await server.listen();
    return { port, pin, startMs: performance.now() - startedMs };
  },
  "hono-server": (options) => honoServer(options),
  "http-calls": (options) => httpCalls(options),
  "http-events": async ({ pieces, pieceBytes, ...server }) => {
    await httpEvents({ ...server, pieces: Math.ceil(pieces / 10), pieceBytes });
    return outputPerSecond({ pieces, pieceBytes }, () => httpEvents({ ...server, pieces, pieceBytes }));
  },
  "bare-client": async ({ port, token, ms }) => {
    const client = await bareClient(port);
    return oneInFlight(() => client.call("greet", args, token), ms);
  },
  "iscep-client": async ({ token, ms, protocol, ...server }) => {
    const client = await connect(urlOf(server), { token, protocol });
    return oneInFlight(() => client.call("greet", args), ms);
  },
  "bare-pipelined": async ({ port, connections, inFlight, ms }) => {
    const clients = await Promise.all(Array.from({ length: connections }, () => barePipelinedClient(port)));
    return manyInFlight(clients, inFlight, ms);
  },
  "iscep-pipelined": async ({ connections, inFlight, ms, token, ...server }) => {
    const url = urlOf(server);
    const clients = await Promise.all(Array.from({ length: connections }, () => connect(url, { token, protocol: 2 })));
    return manyInFlight(clients, inFlight, ms);
  },
  "bare-output": async ({ port, pieces, pieceBytes }) => {
    await bareOutput(port, { pieces: Math.ceil(pieces / 10), pieceBytes });
    return outputPerSecond({ pieces, pieceBytes }, () => bareOutput(port, { pieces, pieceBytes }));
  },
  "iscep-output": async ({ token, pieces, pieceBytes, ...server }) => {
    return iscepOutput(await connect(urlOf(server), { token, protocol: 2 }), { pieces, pieceBytes });
  },
  "bare-nats-server": (options) => bareNatsServer(options),
  "iscep-nats-server": (options) => iscepNatsServer({ ...options, commands: [greet, stream] }),
  "bare-nats-calls": async ({ inFlight, ms, ...broker }) => manyInFlight([await bareNatsClient(broker)], inFlight, ms),
  "iscep-nats-calls": async ({ inFlight, ms, ...broker }) =>
    manyInFlight([await iscepNatsClient(broker)], inFlight, ms),
  "bare-nats-output": async ({ url, pieces, pieceBytes }) => {
    await bareNatsOutput({ url, pieces: Math.ceil(pieces / 10), pieceBytes });
    return outputPerSecond({ pieces, pieceBytes }, () => bareNatsOutput({ url, pieces, pieceBytes }));
  },
  "iscep-nats-output": async ({ pieces, pieceBytes, ...broker }) =>
    iscepOutput(await iscepNatsClient(broker), { pieces, pieceBytes }),
  "nats-crowd": (options) => crowdOfInstances(options),
  "nats-crowd-client": (options) => clientOfCrowd(options),
  "nats-sleeper": (options) => sleepingInstance(options),
  "nats-sleeper-calls": (options) => callsOfSleepers(options),
  /** A fixed number of calls, so that only their cost counts. */
  "iscep-calls": async ({ token, calls, inFlight, ...server }) => {
    const client = await connect(urlOf(server), { token, protocol: 2 });
    let left = calls;
    const caller = async () => {
      while (left-- > 0) check(await client.call("greet", args));
    };
    await Promise.all(Array.from({ length: inFlight }, caller));
    await client.close();
    return {};
  },
  /** Keeps a run and lists runs. */
  "iscep-runs": async ({ token, lists, ...server }) => {
    const client = await connect(urlOf(server), { token, protocol: 2 });
    const startedMs = performance.now();
    let listed = 0;
    for (let index = 0; index < lists; index++) listed = (await client.runs({ limit: 100 })).runs.length;
    const listMs = (performance.now() - startedMs) / lists;
    await client.close();
    return { listMs, listed };
  },
  "iscep-keep": async ({ token, ...server }) => {
    const client = await connect(urlOf(server), { token, protocol: 2 });
    await client.call("greet", args, { idempotencyKey: "kept" });
    await client.close();
    return {};
  },
  /** Follows one run from `watchers` connections. */
  "iscep-watchers": async ({ token, pieces, pieceBytes, watchers, ...server }) => {
    const url = urlOf(server);
    const clients = await Promise.all(Array.from({ length: watchers }, () => connect(url, { token, protocol: 2 })));
    const [first, ...others] = clients;
    const run = first.run("stream", { pieces, pieceBytes });
    const id = await run.id;
    const outputs = [run, ...others.map((client) => client.attach(id))].map(async ({ output }) => {
      let bytes = 0;
      for await (const chunk of output) bytes += chunk.bytes.length;
      if (bytes !== pieces * pieceBytes) throw new Error(`${bytes} bytes came`);
    });
    await Promise.all(outputs);
    await Promise.all(clients.map((client) => client.close()));
    return {};
  },
  /** Opens connections that send nothing. */
  "idle-sockets": async ({ port, count }) => {
    await inBatches(count, 250, () => {
      const socket = net.connect({ port, host: "127.0.0.1" });
      return new Promise((resolve, reject) => socket.once("connect", () => resolve(socket)).once("error", reject));
    });
    return { open: held.slice(-count).filter((socket) => !socket.destroyed).length };
  },
  /** Opens authenticated sessions of version 2. Each has made one call. */
  "idle-sessions": async ({ count, token, ...server }) => {
    const url = urlOf(server);
    await inBatches(count, 50, async () => {
      const client = await connect(url, { token, protocol: 2 });
      check(await client.call("greet", args));
      return client;
    });
    return { open: count };
  },
  "waiting-calls": async ({ count, token, ...server }) => {
    let begun = 0;
    for (let opened = 0; opened < count; opened += 1_000) {
      const client = await connect(urlOf(server), { token, protocol: 2 });
      for (let index = 0; index < 1_000; index++) {
        held.push(client.call("wait").catch(() => begun--));
        begun++;
      }
      // The answer to this comes after the server has read the calls before it.
      await client.ping();
    }
    return { open: begun };
  },
};

function memory() {
  for (let round = 0; round < 4; round++) globalThis.gc?.();
  return process.memoryUsage.rss();
}

const measures = {
  processor: async () => {
    const { user, system } = process.cpuUsage();
    return { microseconds: user + system };
  },
  memory: async () => {
    memory();
    // Turns of the event loop between the collections give back what was just freed.
    await new Promise((resolve) => setTimeout(resolve, 200));
    return { rss: memory() };
  },
};

process.on("message", ({ role, options, measure }) => {
  // A rejection ends the process. The other side learns of it by the exit.
  const work = measure === undefined ? roles[role](options ?? {}) : measures[measure]();
  void work.then((answer) => process.send(answer));
});
process.on("disconnect", () => process.exit());
