// `npm run bench -- table`: one table of ratios to the bare program, of what a goal is set for. Both programs take turns
// in short windows, and each keeps its two processes for all windows of a row. ROUNDS=9 MS=800 measures more thoroughly.
import { spawnSync } from "node:child_process";
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { createCertificate } from "../dist/identity/certificates.js";
import { Side } from "./peers/side.mjs";
import { median } from "./report.mjs";

const rounds = Number(process.env.ROUNDS ?? 5);
const ms = Number(process.env.MS ?? 400);
const idleConnections = 2_000;

/** Code of a new connection runs seldom, so it is compiled late. */
const connectWarmUpMs = 2_500;

const rows = [
  { title: "1 in flight", workload: "one", reach: 0.85 },
  { title: "64 in flight", workload: "pipe64", reach: 1.2 },
  { title: "256 in flight", workload: "pipe256", reach: 1 },
  { title: "256 in flight, TLS", workload: "pipe256", tls: true, reach: 1 },
  { title: "256 in flight, commands log on", workload: "pipe256", logs: true, reach: 0.65 },
  { title: "16 connections x 16", workload: "many", reach: 0.65 },
  { title: "echo of 1 MiB, 1 in flight", workload: "large1", reach: 1.2 },
  { title: "echo of 1 MiB, 8 in flight", workload: "large8", reach: 0.9 },
  { title: "connect, call, close", workload: "connect", warmUpMs: connectWarmUpMs, reach: 0.65 },
  { title: "connect, call, close, TLS", workload: "connect", tls: true, warmUpMs: connectWarmUpMs, reach: 0.9 },
  {
    title: "the same, resumed (bare: full)",
    workload: "connect",
    tls: true,
    resumes: true,
    warmUpMs: connectWarmUpMs,
    reach: 1.2,
  },
  { title: "output, pieces of 100 bytes", workload: "pieces", reach: 2.5 },
  { title: "output, pieces of 64 KiB", workload: "bulk", reach: 1.8 },
  { title: "output, pieces of 64 KiB, TLS", workload: "bulk", tls: true, reach: 1.2 },
];

/** Opens server and client of one program, and closes them behind `work`. */
async function withProgram(name, options, work) {
  const [server, client] = [new Side(name), new Side(name)];
  let folder;
  try {
    await Promise.all([server.ready, client.ready]);
    const place = await server.ask({ order: "serve", options });
    ({ folder } = place);
    return await work({ server, client, place });
  } finally {
    await Promise.all([server.stop(), client.stop()]);
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  }
}

/** The figure of one window, and the processor time of both sides for each call or piece in it. */
async function measure({ server, client, place }, workload, windowMs) {
  const used = async () => {
    const sides = await Promise.all([server, client].map((side) => side.ask({ order: "processor" })));
    return sides[0].microseconds + sides[1].microseconds;
  };
  const before = await used();
  const { figure, count } = await client.ask({ order: "measure", workload, place, ms: windowMs });
  return { figure, microseconds: ((await used()) - before) / count };
}

function measureRow({ workload, tls = false, logs = false, resumes = false, warmUpMs = 2 * ms }, certificate) {
  const options = tls ? { certificate } : {};
  return withProgram("bare", options, (bare) =>
    withProgram("iscep", { ...options, logs, resumes }, async (iscep) => {
      await measure(bare, workload, warmUpMs);
      await measure(iscep, workload, warmUpMs);
      const pairs = [];
      for (let round = 0; round < rounds; round++) {
        const pair = {};
        const turns = [
          async () => (pair.bare = await measure(bare, workload, ms)),
          async () => (pair.iscep = await measure(iscep, workload, ms)),
        ];
        for (const turn of round % 2 === 0 ? turns : turns.toReversed()) await turn();
        pairs.push(pair);
      }
      return pairs;
    }),
  );
}

const withSpread = (numbers, digits = 2) =>
  `${median(numbers).toFixed(digits)} (${Math.min(...numbers).toFixed(digits)} to ${Math.max(...numbers).toFixed(digits)})`;

function tell(...cells) {
  console.log(`| ${cells.join(" | ")} |`);
}

/** Kilobytes of the server for each connection that made one call. */
function idleKilobytes(name) {
  return withProgram(name, {}, async ({ server, client, place }) => {
    const open = (count) => client.ask({ order: "open", place, count });
    await open(100);
    const before = await server.ask({ order: "memory" });
    await open(idleConnections);
    const after = await server.ask({ order: "memory" });
    return (after.rss - before.rss) / idleConnections / 1024;
  });
}

/** Wall-clock and processor time of a whole process. The shell's `times` has the second. */
function processOf(words, environment = {}) {
  const started = performance.now();
  const command = `${words.map((word) => `'${word}'`).join(" ")} > /dev/null && times`;
  const { stdout, status } = spawnSync("sh", ["-c", command], {
    encoding: "utf8",
    env: { ...process.env, ...environment },
  });
  const wallMs = performance.now() - started;
  if (status !== 0) throw new Error(`${words.join(" ")} failed`);
  const [user = 0, system = 0] = [...(stdout.trim().split("\n")[1] ?? "").matchAll(/(\d+)m([\d.]+)s/g)].map(
    ([, minutes, seconds]) => 60 * Number(minutes) + Number(seconds),
  );
  return { wallMs, processorMs: (user + system) * 1000 };
}

function measureVerb() {
  const main = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
  return withProgram("iscep", {}, async ({ place: { port, token } }) => {
    const environment = { ISCEP_URL: `iscep+tcp://127.0.0.1:${port}`, ISCEP_TOKEN: token };
    const call = [process.execPath, main, "call", "greet", "--args", '{"message":"hello","numb":1}'];
    const ratios = { wall: [], processor: [] };
    for (let round = 0; round < 2 * rounds; round++) {
      const bare = processOf([process.execPath, "-e", "0"]);
      const iscep = processOf(call, environment);
      ratios.wall.push(iscep.wallMs / bare.wallMs);
      ratios.processor.push(iscep.processorMs / bare.processorMs);
    }
    return ratios;
  });
}

/** @param wanted words of titles; only these rows are measured. Default: all */
export async function table(wanted) {
  const isWanted = (title) => wanted.length === 0 || wanted.some((word) => title.includes(word));
  const { certPem: cert, keyPem: key } = await createCertificate({ hosts: ["localhost", "127.0.0.1"] });
  tell("workload", "bare", "ratio to it", "the same for processor time", "reach");
  tell("---", "---", "---", "---", "---");
  for (const row of rows.filter(({ title }) => isWanted(title))) {
    const pairs = await measureRow(row, { cert, key });
    tell(
      row.title,
      `${Math.round(median(pairs.map(({ bare }) => bare.figure)))}/s`,
      withSpread(pairs.map(({ bare, iscep }) => iscep.figure / bare.figure)),
      withSpread(pairs.map(({ bare, iscep }) => bare.microseconds / iscep.microseconds)),
      row.reach,
    );
  }
  const idle = "an idle connection that made one call";
  if (isWanted(idle)) {
    const kilobytes = { bare: [], iscep: [] };
    for (let round = 0; round < rounds; round++)
      for (const name of ["bare", "iscep"]) kilobytes[name].push(await idleKilobytes(name));
    const bare = `${median(kilobytes.bare).toFixed(1)} KB`;
    tell(idle, bare, `${withSpread(kilobytes.iscep, 1)} KB`, "-", "at most 10 KB");
  }
  const verb = "`iscep call`, in times of `node -e 0`";
  if (isWanted(verb)) {
    const { wall, processor } = await measureVerb();
    tell(verb, "-", withSpread(wall), withSpread(processor), "at most 1.8");
  }
  console.log(`\n${rounds} rounds; medians, and the least and the most`);
}
