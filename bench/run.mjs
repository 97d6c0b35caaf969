// `npm run bench` prints figures as ratios to a bare program of the same run. `npm run bench -- calls output` measures
// only some of them. ROUNDS=25 SECONDS=3 measures more thoroughly. `npm run bench -- table` prints one table of all that
// has a goal, in some four minutes; `-- table TLS` only the rows with such a word.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mintToken } from "../dist/identity/tokens.js";
import { growth } from "./growth.mjs";
import { bytesOfEach, measureOnce } from "./peers.mjs";
import { measureNats } from "./nats.mjs";
import { compare, tellBytes } from "./report.mjs";
import { startOfServe } from "./start.mjs";
import { table } from "./table.mjs";

const rounds = Number(process.env.ROUNDS ?? 7);
const ms = Number(process.env.SECONDS ?? 1) * 1000;

// Both programs send this token. It is made as those of `iscep tokens add`.
const token = mintToken();
const folder = await mkdtemp(join(tmpdir(), "iscep-bench-"));
const tokens = join(folder, "tokens.json");

const perSecond = { key: "perSecond", what: "calls", unit: "/s" };

function oneInFlight(protocol, promises) {
  return compare({
    title: `one call in flight, version ${protocol}, authenticated, logs off`,
    rounds: 2 * rounds - 1,
    bare: () => measureOnce("bare-server", {}, "bare-client", { token, ms }),
    iscep: () => measureOnce("iscep-server", { tokens }, "iscep-client", { token, ms, protocol }),
    figures: promises,
  });
}

function inFlight(connections, each, promise) {
  const options = { token, ms, connections, inFlight: each };
  return compare({
    title: `${connections} connection${connections === 1 ? "" : "s"} with ${each} calls in flight${connections === 1 ? "" : " each"}, version 2, authenticated, logs off`,
    rounds,
    bare: () => measureOnce("bare-server", {}, "bare-pipelined", options),
    iscep: () => measureOnce("iscep-server", { tokens }, "iscep-pipelined", options),
    figures: [{ ...perSecond, promise }],
  });
}

function output(pieceBytes, totalBytes, figure) {
  const options = { token, pieceBytes, pieces: Math.floor(totalBytes / pieceBytes) };
  return compare({
    title: `output of one run in pieces of ${pieceBytes} bytes`,
    rounds,
    bare: () => measureOnce("bare-server", {}, "bare-output", options),
    iscep: () => measureOnce("iscep-server", { tokens }, "iscep-output", options),
    figures: [figure],
  });
}

const groups = {
  growth: () => growth(folder, { token, tokens }),
  async version1() {
    await oneInFlight(1, [{ ...perSecond, promise: 0.9 }]);
    const idle = { few: 50, count: 10_000 };
    tellBytes(
      `memory of an idle connection, version 1, cleartext (${idle.count} of them)`,
      {
        bare: await bytesOfEach("bare-server", {}, "idle-sockets", idle),
        iscep: await bytesOfEach("iscep-server", { limits: { maxConnections: 20_000 } }, "idle-sockets", idle),
      },
      12,
    );
  },
  async calls() {
    await oneInFlight(2, [
      { ...perSecond, promise: 0.9 },
      { key: "p99Microseconds", what: "p99", unit: "µs", promise: 1.3, atMost: true },
    ]);
    await inFlight(1, 256, 0.8);
    await inFlight(16, 16, 0.55);
  },
  async output() {
    await output(100, 100e6, { key: "piecesPerSecond", what: "pieces", unit: "/s", promise: 1 });
    await output(64 * 1024, 1e9, { key: "megabytesPerSecond", what: "output", unit: "MB/s", promise: 1.5 });
  },
  async http() {
    for (const inFlight of [1, 64]) {
      const options = { token, ms, inFlight };
      await compare({
        title: `${inFlight} call${inFlight === 1 ? "" : "s"} in flight over HTTP, authenticated, logs off`,
        rounds,
        names: ["hono", "iscep"],
        bare: () => measureOnce("hono-server", { token }, "http-calls", options),
        iscep: () => measureOnce("iscep-server", { tokens, http: true }, "http-calls", options),
        // Processor time changes less than calls a second when the machine has other work.
        figures: [
          { ...perSecond, promise: 0.8 },
          { key: "serverMicrosecondsPerCall", what: "processor time of the server", unit: "µs a call", digits: 1 },
        ],
      });
    }
    const pieceBytes = 64 * 1024;
    const stream = { token, pieceBytes, pieces: Math.floor(500e6 / pieceBytes) };
    await compare({
      title: `output of one run in pieces of ${pieceBytes} bytes, as events over HTTP`,
      rounds,
      names: ["version 2", "events"],
      bare: () => measureOnce("iscep-server", { tokens, http: true }, "iscep-output", stream),
      iscep: () => measureOnce("iscep-server", { tokens, http: true }, "http-events", stream),
      figures: [{ key: "megabytesPerSecond", what: "output", unit: "MB/s", promise: 0.5 }],
    });
    const calls = { token, ms, connections: 1, inFlight: 256 };
    await compare({
      title: "1 connection with 256 calls in flight, version 2, with HTTP on the same port",
      rounds,
      names: ["off", "on"],
      bare: () => measureOnce("iscep-server", { tokens }, "iscep-pipelined", calls),
      iscep: () => measureOnce("iscep-server", { tokens, http: true }, "iscep-pipelined", calls),
      figures: [{ ...perSecond, promise: 0.97 }],
    });
    await compare({
      title: "start of `iscep serve` until it listens, without HTTP and with it",
      rounds,
      names: ["off", "on"],
      bare: () => startOfServe({ http: false }),
      iscep: () => startOfServe({ http: true }),
      figures: [
        { key: "processorMs", what: "processor time", unit: "ms" },
        { key: "startMs", what: "time", unit: "ms" },
        { key: "megabytes", what: "memory", unit: "MB" },
      ],
    });
  },
  nats: () => measureNats({ rounds, ms, token, tokens }),
  async logs() {
    const options = { token, ms, connections: 1, inFlight: 256 };
    let run = 0;
    await compare({
      title: "1 connection with 256 calls in flight, version 2, with the commands log",
      rounds,
      names: ["off", "on"],
      bare: () => measureOnce("iscep-server", { tokens }, "iscep-pipelined", options),
      iscep: () =>
        measureOnce("iscep-server", { tokens, logs: join(folder, `logs-${++run}`) }, "iscep-pipelined", options),
      figures: [{ ...perSecond, promise: 0.5 }],
    });
  },
  async memory() {
    for (const { tls, count, promise } of [
      { tls: false, count: 10_000, promise: 12 },
      { tls: true, count: 2_000, promise: 50 },
    ]) {
      const bytes = await bytesOfEach(
        "iscep-server",
        { tokens, tls, folder, limits: { maxConnections: 20_000 } },
        "idle-sessions",
        {
          token,
          few: 50,
          count,
        },
      );
      tellBytes(
        `memory of an idle session, version 2, ${tls ? "TLS" : "cleartext"} (${count} of them)`,
        { iscep: bytes },
        promise,
      );
    }
    const waiting = { token, few: 1_000, count: 10_000 };
    const bytes = await bytesOfEach("iscep-server", { tokens, limits: { maxRuns: 100_000 } }, "waiting-calls", waiting);
    tellBytes(`memory of a call in flight (${waiting.count} of them)`, { iscep: bytes }, 2);
  },
};

// Growth takes minutes by itself.
const usual = Object.keys(groups).filter((name) => name !== "growth");
const wanted = process.argv.slice(2);
const isTable = wanted[0] === "table";
const unknown = isTable ? undefined : wanted.find((name) => !Object.hasOwn(groups, name));
if (unknown !== undefined)
  throw new Error(`there is no "${unknown}"; choose of table, ${Object.keys(groups).join(", ")}`);
try {
  await writeFile(tokens, JSON.stringify({ bench: token }), { mode: 0o600 });
  if (isTable) await table(wanted.slice(1));
  else for (const name of wanted.length === 0 ? usual : wanted) await groups[name]();
} finally {
  await rm(folder, { recursive: true, force: true });
}
