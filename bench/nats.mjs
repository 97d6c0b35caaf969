// Calls and output over a broker, and the bare programs that they are compared with: request and reply, and publish, by the
// same library.
import { spawn } from "node:child_process";
import { connect as connectNats } from "@nats-io/transport-node";
import { connect, Server } from "iscep";
import { natsDoor } from "iscep/nats";
import { measureCrowds } from "./crowds.mjs";
import { measureInstances } from "./instances.mjs";
import { withPeers } from "./peers.mjs";
import { compare } from "./report.mjs";

const service = "bench";

/** Starts nats-server, which must be installed, on a free port. */
async function startBroker() {
  const broker = spawn("nats-server", ["-a", "127.0.0.1", "-p", "-1"], { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  const port = await new Promise((resolve, reject) => {
    broker.once("error", () => reject(new Error("nats-server is not installed")));
    broker.stderr.setEncoding("utf8").on("data", (text) => {
      log += text;
      const found = /client connections on 127\.0\.0\.1:(\d+)/.exec(log)?.[1];
      if (found !== undefined && log.includes("Server is ready")) resolve(Number(found));
    });
  });
  return {
    url: `nats://127.0.0.1:${port}`,
    async stop() {
      const ended = new Promise((resolve) => broker.once("exit", resolve));
      broker.kill();
      await ended;
    },
  };
}

/** What every program of this kind does: JSON in, a check, JSON out. */
export async function bareNatsServer({ url }) {
  const broker = await connectNats({ servers: url });
  broker.subscribe("greet", {
    queue: "bench",
    callback: (_error, message) => {
      const { message: text, numb } = message.json();
      if (typeof text === "string" && Number.isInteger(numb)) message.respond(JSON.stringify({ message: text, numb }));
    },
  });
  broker.subscribe("stream", {
    callback: (_error, message) => {
      const { pieces, pieceBytes, to } = message.json();
      void publishPieces(broker, to, pieces, pieceBytes);
    },
  });
  await broker.flush();
  return {};
}

/** It waits for the broker, because its own memory would hold all of it otherwise. */
async function publishPieces(broker, to, pieces, pieceBytes) {
  const piece = Buffer.alloc(pieceBytes, "x");
  const each = Math.max(1, Math.floor((1024 * 1024) / pieceBytes));
  for (let index = 0; index < pieces; index++) {
    broker.publish(to, piece);
    if (index % each === each - 1) await broker.flush();
  }
}

export async function bareNatsClient({ url }) {
  const broker = await connectNats({ servers: url });
  return {
    call: async (_name, args) => (await broker.request("greet", JSON.stringify(args), { timeout: 30_000 })).json(),
  };
}

export async function bareNatsOutput({ url, pieces, pieceBytes }) {
  const broker = await connectNats({ servers: url });
  let bytes = 0;
  await new Promise((resolve) => {
    broker.subscribe("pieces", {
      callback: (_error, { data }) => {
        bytes += data.length;
        if (bytes === pieces * pieceBytes) resolve();
      },
    });
    broker.publish("stream", JSON.stringify({ pieces, pieceBytes, to: "pieces" }));
  });
  await broker.close();
}

export async function iscepNatsServer({ url, commands, tokens }) {
  const server = new Server({ commands, listen: [], tokens, doors: [natsDoor({ url, name: service })] });
  await server.listen();
  return {};
}

export function iscepNatsClient({ url, token }) {
  return connect(`${url}/${service}`, { token });
}

/** What both processes needed, beside what the client measured. */
function measureOnce(serverRole, serverOptions, clientRole, clientOptions) {
  return withPeers(2, async (server, client) => {
    await server.ask({ role: serverRole, options: serverOptions });
    const processor = async () => {
      const [ofServer, ofClient] = await Promise.all(
        [server, client].map((peer) => peer.ask({ measure: "processor" })),
      );
      return ofServer.microseconds + ofClient.microseconds;
    };
    const before = await processor();
    const answer = await client.ask({ role: clientRole, options: clientOptions });
    const microseconds = (await processor()) - before;
    return { ...answer, processorPerCall: microseconds / answer.calls, processorMs: microseconds / 1000 };
  });
}

export async function measureNats({ rounds, ms, token, tokens }) {
  const broker = await startBroker();
  const { url } = broker;
  try {
    for (const inFlight of [1, 64, 256]) {
      const options = { url, token, ms, inFlight };
      await compare({
        title: `${inFlight} call${inFlight === 1 ? "" : "s"} in flight over NATS, authenticated, logs off`,
        rounds,
        names: ["request", "iscep"],
        bare: () => measureOnce("bare-nats-server", { url }, "bare-nats-calls", options),
        iscep: () => measureOnce("iscep-nats-server", { url, tokens }, "iscep-nats-calls", options),
        // Processor time changes less than calls a second when the machine has other work.
        figures: [
          { key: "perSecond", what: "calls", unit: "/s", promise: 0.75 },
          { key: "processorPerCall", what: "processor time of both", unit: "µs a call", digits: 1 },
        ],
      });
    }
    const pieceBytes = 64 * 1024;
    const stream = { url, token, pieceBytes, pieces: Math.floor(500e6 / pieceBytes) };
    await compare({
      title: `output of one run in pieces of ${pieceBytes} bytes over NATS`,
      rounds,
      names: ["publish", "iscep"],
      bare: () => measureOnce("bare-nats-server", { url }, "bare-nats-output", stream),
      iscep: () => measureOnce("iscep-nats-server", { url, tokens }, "iscep-nats-output", stream),
      figures: [
        { key: "megabytesPerSecond", what: "output", unit: "MB/s", promise: 0.6 },
        { key: "processorMs", what: "processor time of both", unit: "ms" },
      ],
    });
    await measureCrowds({ url, rounds, token, tokens });
    await measureInstances({ url, rounds, ms, token, tokens });
  } finally {
    await broker.stop();
  }
}
