// `npm run bench -- growth`: what grows with what. A cost that is meant to stay the same must stay the same, and one that
// is meant to grow must not grow faster than its cause.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withPeers } from "./peers.mjs";

const limits = {
  maxConnections: 20_000,
  maxStoredRuns: 200_000,
  maxRunsFolderBytes: 2 ** 34,
  maxCallsInFlight: 20_000,
};
const megabytes = (bytes) => (bytes / 2 ** 20).toFixed(1);

/** What both sides' processors took for `work`, in microseconds. */
async function processorTime(server, client, work) {
  const sum = async () => {
    const [one, other] = await Promise.all([
      server.ask({ measure: "processor" }),
      client.ask({ measure: "processor" }),
    ]);
    return { server: one.microseconds, client: other.microseconds };
  };
  const before = await sum();
  const answer = await work();
  const after = await sum();
  return { answer, server: after.server - before.server, client: after.client - before.client };
}

function table(title, head, rows) {
  console.log(`${title}\n\n| ${head.join(" | ")} |\n|${" --- |".repeat(head.length)}`);
  for (const row of rows) console.log(`| ${row.join(" | ")} |`);
  console.log("");
}

async function costOfCall(server, client, place) {
  const calls = 20_000;
  const options = { ...place, inFlight: 64 };
  await client.ask({ role: "iscep-calls", options: { ...options, calls } });
  const costs = [];
  for (let round = 0; round < 3; round++) {
    const cost = await processorTime(server, client, () =>
      client.ask({ role: "iscep-calls", options: { ...options, calls } }),
    );
    costs.push((cost.server + cost.client) / calls);
  }
  return costs.sort((a, b) => a - b)[1].toFixed(1);
}

async function commands({ token, tokens }) {
  const rows = [];
  for (const count of [10, 1_000, 10_000]) {
    await withPeers(2, async (server, client) => {
      const { port, startMs } = await server.ask({
        role: "iscep-server",
        options: { tokens, limits, otherCommands: count - 3 },
      });
      const { rss } = await server.ask({ measure: "memory" });
      const cost = await costOfCall(server, client, { port, token });
      rows.push([count.toLocaleString("en-US"), `${startMs.toFixed(0)} ms`, `${megabytes(rss)} MiB`, `${cost} µs`]);
    });
  }
  table("Commands", ["commands", "start", "memory of the server", "a call (both sides)"], rows);
}

/** A folder with copies of one kept run, under other ids. */
async function keptRuns(folder, count, { token, tokens }) {
  const runsFolder = join(folder, `runs-${count}`);
  mkdirSync(runsFolder, { mode: 0o700 });
  await withPeers(2, async (server, client) => {
    const { port } = await server.ask({ role: "iscep-server", options: { tokens, limits, runsFolder } });
    await client.ask({ role: "iscep-keep", options: { port, token } });
  });
  const file = readdirSync(runsFolder).find((name) => /^[0-9a-f-]{36}/.test(name));
  const id = file.slice(0, 36);
  const text = readFileSync(join(runsFolder, file), "utf8");
  for (let index = 1; index < count; index++) {
    const other = `${id.slice(0, 24)}${index.toString(16).padStart(12, "0")}`;
    // A key counts once, so the copies have others.
    const copy = text.replaceAll(id, other).replace(/"key":"[^"]{8}/, `"key":"${index.toString(16).padStart(8, "0")}`);
    writeFileSync(join(runsFolder, file.replace(id, other)), copy, { mode: 0o600 });
  }
  return runsFolder;
}

async function runs(folder, access) {
  const rows = [];
  for (const count of [10, 1_000, 100_000]) {
    const runsFolder = await keptRuns(folder, count, access);
    await withPeers(2, async (server, client) => {
      const options = { tokens: access.tokens, limits, runsFolder };
      const { port, startMs } = await server.ask({ role: "iscep-server", options });
      const { rss } = await server.ask({ measure: "memory" });
      const place = { port, token: access.token };
      await client.ask({ role: "iscep-runs", options: { ...place, lists: 20 } });
      const { listMs, listed } = await client.ask({ role: "iscep-runs", options: { ...place, lists: 50 } });
      const cost = await costOfCall(server, client, place);
      rows.push([
        count.toLocaleString("en-US"),
        `${startMs.toFixed(0)} ms`,
        `${megabytes(rss)} MiB`,
        `${listMs.toFixed(2)} ms for ${listed}`,
        `${cost} µs`,
      ]);
    });
  }
  table(
    "Kept runs",
    ["kept runs", "start", "memory of the server", "`iscep runs`, a page", "a call (both sides)"],
    rows,
  );
}

async function watchers({ token, tokens }) {
  const rows = [];
  const pieces = 4_000;
  const pieceBytes = 1_024;
  for (const count of [1, 10, 100]) {
    await withPeers(2, async (server, client) => {
      const { port } = await server.ask({ role: "iscep-server", options: { tokens, limits } });
      const options = { port, token, pieces, pieceBytes, watchers: count };
      await client.ask({ role: "iscep-watchers", options });
      const cost = await processorTime(server, client, () => client.ask({ role: "iscep-watchers", options }));
      const { rss } = await server.ask({ measure: "memory" });
      const watched = (count * pieces * pieceBytes) / 1e6;
      rows.push([String(count), `${(cost.server / watched / 1000).toFixed(2)} ms`, `${megabytes(rss)} MiB`]);
    });
  }
  table("Watchers of one run", ["watchers", "server, for a megabyte of one watcher", "memory of the server"], rows);
}

async function connections({ token, tokens }) {
  const rows = [];
  for (const count of [1, 10, 100, 1_000, 10_000]) {
    await withPeers(3, async (server, holder, client) => {
      const { port } = await server.ask({ role: "iscep-server", options: { tokens, limits } });
      await holder.ask({ role: "idle-sessions", options: { port, token, count: 50 } });
      const before = await server.ask({ measure: "memory" });
      const opening = await processorTime(server, holder, () =>
        holder.ask({ role: "idle-sessions", options: { port, token, count } }),
      );
      const after = await server.ask({ measure: "memory" });
      const cost = await costOfCall(server, client, { port, token });
      const each = count < 100 ? "-" : `${((after.rss - before.rss) / count / 1024).toFixed(1)} KB`;
      const name = count.toLocaleString("en-US");
      rows.push([name, `${(opening.server / count / 1000).toFixed(2)} ms`, each, `${cost} µs`]);
    });
  }
  table(
    "Connections that made one call and are idle, beside one that calls",
    ["connections", "server, to open one and call", "memory of one", "a call (both sides)"],
    rows,
  );
}

export async function growth(folder, access) {
  await commands(access);
  await runs(folder, access);
  await watchers(access);
  await connections(access);
}
