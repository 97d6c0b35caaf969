// `npm run bench:peers` installs what is compared (bench/peers/package.json), measures, and prints one table of ratios to a
// bare program (bench/bare.mjs). `-- ws iscep` measures only some peers; ROUNDS=5 MS=800 measures more thoroughly.
// `-- --write` writes table and chart into docs/.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import net from "node:net";
import { cpus } from "node:os";
import path from "node:path";
import { median } from "../report.mjs";
import { chartOf } from "./chart.mjs";
import { Side } from "./side.mjs";
import { workloads } from "./workloads.mjs";

const here = import.meta.dirname;
const rounds = Number(process.env.ROUNDS ?? 3);
const ms = Number(process.env.MS ?? 400);
const idleConnections = 1_000;
const names = {
  bare: "bare",
  iscep: "**iscep**",
  ws: "ws",
  grpc: "gRPC",
  nest: "Nest TCP",
  nats: "NATS",
  original: "original",
};

/** Two fresh processes of a peer, for as long as the work takes. */
async function withPeer(peer, work) {
  const [server, client] = [new Side(peer), new Side(peer)];
  let folder;
  try {
    await Promise.all([server.ready, client.ready]);
    const place = await server.ask({ order: "serve" });
    ({ folder } = place);
    return await work(server, client, place);
  } finally {
    await Promise.all([server.stop(), client.stop()]);
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  }
}

/** A workload that a peer cannot do has no figure. */
async function measurePeer(peer) {
  const figures = await withPeer(peer, async (_server, client, place) => measureWorkloads(peer, client, place));
  return { ...figures, ...(await withPeer(peer, measureIdle)) };
}

async function measureWorkloads(peer, client, place) {
  const figures = {};
  // Code that is compiled late would be measured for some peers and not for others.
  await client.ask({ order: "measure", workload: "many", place, ms: 1_000 });
  for (const workload of Object.keys(workloads)) {
    const limit = new Promise((_, reject) => setTimeout(reject, 30_000, new Error("it took too long")).unref());
    const measured = client.ask({ order: "measure", workload, place, ms });
    try {
      ({ figure: figures[workload] } = await Promise.race([measured, limit]));
    } catch (error) {
      console.error(`${peer}, ${workload}: ${error.message.split("\n")[0]}`);
      if (error.message === "it took too long") break;
    }
  }
  return figures;
}

/** In processes that have done nothing else: connections would fit into memory that other work has left free. */
async function measureIdle(server, client, place) {
  // What NATS holds is in its broker.
  if (place.brokerPid !== undefined) return {};
  const open = (count) => client.ask({ order: "open", place, count });
  await open(100);
  const before = await server.ask({ order: "memory" });
  await open(idleConnections);
  const after = await server.ask({ order: "memory" });
  return { idle: (after.rss - before.rss) / idleConnections / 1024 };
}

async function freePort() {
  return new Promise((resolve) => {
    const probe = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

async function untilOpen(port) {
  for (let tries = 0; tries < 100; tries++) {
    const open = await new Promise((resolve) => {
      const socket = net.connect(port, "127.0.0.1", () => resolve(true)).on("error", () => resolve(false));
      socket.unref();
      socket.once("connect", () => socket.destroy());
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the original server did not start");
}

/** The original has its own client, in Python, with one call in flight. */
async function measureOriginal() {
  const port = await freePort();
  const file = path.join(here, "original.py");
  const server = spawn("python3", [file, "serve", String(port)], { stdio: ["ignore", "ignore", "inherit"] });
  try {
    await untilOpen(port);
    return JSON.parse(execFileSync("python3", [file, "call", String(port), String(ms / 1000)], { encoding: "utf8" }));
  } finally {
    server.kill("SIGKILL");
  }
}

function tableOf(peers, results) {
  const rows = [...Object.entries(workloads), ["idle", { title: "memory of an idle connection" }]].map(
    ([key, { title }]) => {
      const bare = results.map((round) => round.bare[key]).filter((figure) => figure !== undefined);
      const cells = peers.map((peer) => {
        if (peer === "bare") {
          const unit = key === "idle" ? " KB" : "/s";
          return `${Math.round(median(bare) * 10 ** Number(key === "idle")) / 10 ** Number(key === "idle")}${unit}`;
        }
        const ratios = results
          .filter((round) => round[peer]?.[key] !== undefined)
          .map((round) => round[peer][key] / round.bare[key]);
        if (ratios.length === 0) return "-";
        const spread =
          ratios.length < 2 ? "" : ` (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`;
        return `${median(ratios).toFixed(2)}${spread}`;
      });
      return { key, title, cells };
    },
  );
  const head = `| | ${peers.map((peer) => names[peer]).join(" | ")} |\n|${" --- |".repeat(peers.length + 1)}`;
  return { rows, text: [head, ...rows.map(({ title, cells }) => `| ${title} | ${cells.join(" | ")} |`)].join("\n") };
}

function write(text, svg) {
  const page = path.join(here, "../../docs/PERFORMANCE.md");
  const marked = /(<!-- bench:peers -->\n)[\s\S]*?(<!-- \/bench:peers -->)/;
  const before = readFileSync(page, "utf8");
  if (!marked.test(before)) throw new Error("docs/PERFORMANCE.md has no place for the table");
  writeFileSync(
    page,
    before.replace(marked, (_, begin, end) => `${begin}\n${text}\n\n${end}`),
  );
  writeFileSync(path.join(here, "../../docs/images/peers.svg"), svg);
}

/** npm writes this file when it has installed everything. */
const installed = path.join(here, "node_modules/.package-lock.json");
const lock = path.join(here, "package-lock.json");
if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs)
  execFileSync("npm", ["ci", "--ignore-scripts"], { cwd: here, stdio: ["ignore", "inherit", "inherit"] });

const words = process.argv.slice(2);
const wanted = words.filter((word) => !word.startsWith("-"));
const unknown = wanted.find((name) => !Object.hasOwn(names, name));
if (unknown !== undefined) throw new Error(`there is no peer "${unknown}"; choose of ${Object.keys(names).join(", ")}`);
const all = ["iscep", "ws", "grpc", "nest"];
if (spawnSync("nats-server", ["--version"]).status === 0) all.push("nats");
if (process.env.ISCEP_PY !== undefined) all.push("original");
const peers = ["bare", ...(wanted.length === 0 ? all : wanted.filter((name) => name !== "bare"))];

const results = [];
for (let round = 0; round < rounds; round++) {
  const figures = {};
  // Each goes first in another round, as machines change while they are measured.
  const order = peers.map((_, index) => peers[(index + round) % peers.length]);
  for (const peer of order) figures[peer] = peer === "original" ? await measureOriginal() : await measurePeer(peer);
  results.push(figures);
  console.error(`round ${round + 1} of ${rounds}`);
}
const { rows, text } = tableOf(peers, results);
const facts = `\`npm run bench:peers\`, ${rounds} rounds, ${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model.trim() ?? "processor"}. Ratios to the bare program: medians, and the least and the most. More is better, but for memory.`;
console.log(`${text}\n\n${facts}`);
if (words.includes("--write"))
  write(`${text}\n\n${facts}\n\n![The same as a chart](images/peers.svg)`, chartOf(peers, rows, names));
