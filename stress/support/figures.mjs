// @ts-check
/** Measures scripts, for several promises. */
import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "iscep";
import { messageOf, startServer as start } from "./serving.mjs";

/** @typedef {import("./serving.mjs").StressServer} StressServer */

/** @param {Partial<import("iscep").Limits>} limits */
export function startServer(limits = {}) {
  return start({ limits });
}

/** @param {string} url */
function connectTo(url) {
  return connect(url, { protocol: 2 });
}

/** @param {number[]} numbers */
function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

/**
 * Measures the time from a call to the first byte of output, and from a bare spawn of the same file to its first byte,
 * in turns.
 * @param {StressServer} server @param {number} rounds
 */
export async function firstByte({ url, folder }, rounds) {
  const client = await connectTo(url);
  /** @type {{ bare: number[], iscep: number[] }} */
  const times = { bare: [], iscep: [] };
  const measures = {
    bare: async () => {
      const child = spawn(path.join(folder, "hello.sh"), { stdio: ["ignore", "pipe", "pipe"] });
      await Promise.all([
        once(child.stdout, "data").then(() => times.bare.push(performance.now() - fromMs)),
        once(child, "close"),
      ]);
    },
    iscep: async () => {
      const run = client.run("hello", {});
      for await (const _chunk of run.output) times.iscep.push(performance.now() - fromMs);
      await run.outcome;
    },
  };
  let fromMs = 0;
  for (let round = -3; round < rounds; round++) {
    // The first one of each kind also loads code, so it is not counted.
    if (round === 0) times.bare.length = times.iscep.length = 0;
    for (const measure of round % 2 === 0 ? [measures.bare, measures.iscep] : [measures.iscep, measures.bare]) {
      fromMs = performance.now();
      await measure();
    }
  }
  await client.close();
  return { bareMs: median(times.bare), iscepMs: median(times.iscep), ratio: median(times.iscep) / median(times.bare) };
}

/**
 * Runs scripts at once, each with its own lines on both channels. Every byte is checked.
 * @param {StressServer} server @param {number} count @param {number} lines
 */
export async function manyAtOnce({ url }, count, lines) {
  const client = await connectTo(url);
  const fromMs = performance.now();
  let bytes = 0;
  let wrong = 0;
  await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const mark = `run-${index}`;
      const run = client.run("numbered", { mark, lines });
      /** @type {{ stdout: Uint8Array[], stderr: Uint8Array[] }} */
      const got = { stdout: [], stderr: [] };
      for await (const chunk of run.output) got[chunk.channel].push(chunk.bytes);
      const outcome = await run.outcome;
      for (const [channel, word] of /** @type {const} */ ([
        ["stdout", "out"],
        ["stderr", "err"],
      ])) {
        const expected = Array.from({ length: lines }, (_, n) => `${mark} ${word} ${n + 1}\n`).join("");
        const all = Buffer.concat(got[channel]);
        bytes += all.length;
        if (all.toString("latin1") !== expected || outcome.status !== "completed") wrong++;
      }
    }),
  );
  await client.close();
  return { count, bytes, wrong, ms: performance.now() - fromMs };
}

/** The peak of the memory that a process has used, in bytes. @param {number} pid */
function peakBytes(pid) {
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}

/**
 * Runs a script that prints much to a reader that pauses after each MiB, and once for a whole second.
 * @param {StressServer} server @param {number} bytes
 */
export async function slowReader({ url, pid }, bytes) {
  const client = await connectTo(url);
  // The first output also pays for loaded code, which is not growth.
  for await (const _chunk of client.run("zeros", { bytes: 8 * 1024 * 1024 }).output);
  // From here on the peak counts again from now: see proc(5).
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
  const before = peakBytes(pid);
  const run = client.run("zeros", { bytes });
  let read = 0;
  let rests = 0;
  for await (const chunk of run.output) {
    read += chunk.bytes.length;
    if (read < (rests + 1) * 1024 * 1024) continue;
    rests++;
    await sleep(rests === 10 ? 1_000 : 2);
  }
  const outcome = await run.outcome;
  await client.close();
  return { read, isWhole: read === bytes && outcome.status === "completed", growthBytes: peakBytes(pid) - before };
}

/**
 * Cancels scripts after they have begun. Measures the time from each cancel to its outcome; by then none of its
 * processes may be left.
 * @param {StressServer} server @param {string} command @param {number} count
 */
export async function cancels({ url }, command, count) {
  const runs = new Set();
  /** @type {number[]} */
  const times = [];
  let waiting = count;
  await Promise.all(
    Array.from({ length: 12 }, async () => {
      // Each call has a client of its own, because the server treats hundreds of cancels on one connection as a flood.
      const client = await connectTo(url);
      while (waiting-- > 0) {
        const run = client.run(command, {});
        for await (const _chunk of run.output) break;
        runs.add(await run.id);
        const fromMs = performance.now();
        run.cancel();
        const { status } = await run.outcome;
        if (status !== "cancelled") throw new Error(`a cancelled run is ${status}`);
        times.push(performance.now() - fromMs);
      }
      await client.close();
    }),
  );
  const left = processesOf(runs);
  return { count, slowestMs: Math.max(...times), medianMs: median(times), left };
}

/**
 * Kills clients in the middle of their runs, with some connections in each process. After the grace for coming back, no
 * process of a run may be left.
 * @param {StressServer} server @param {number} count @param {number} each
 */
export async function killedClients({ url }, count, each) {
  const runs = new Set();
  for (let index = 0; index < count; index += each) {
    const child = fork(path.join(import.meta.dirname, "client.mjs"), [url, String(Math.min(each, count - index))]);
    const message = /** @type {{ readonly runs: readonly string[] }} */ (await messageOf(child));
    for (const run of message.runs) runs.add(run);
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }
  const fromMs = performance.now();
  while (processesOf(runs).length > 0 && performance.now() - fromMs < 30_000) await sleep(100);
  return { count, goneMs: performance.now() - fromMs, left: processesOf(runs) };
}

/** @param {ReadonlySet<unknown>} runs */
export function processesOf(runs) {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, "latin1");
      const [, run] = /(?:^|\0)ISCEP_RUN=([^\0]*)/.exec(environment) ?? [];
      return run !== undefined && runs.has(run);
    } catch {
      return false;
    }
  });
}

/** Children of a process that have ended, and whose end it has not asked for. @param {number} pid */
export function zombiesOf(pid) {
  return readdirSync("/proc").filter((name) => {
    try {
      const [state, parent] = readFileSync(`/proc/${name}/stat`, "latin1").split(") ").at(-1)?.split(" ") ?? [];
      return state === "Z" && Number(parent) === pid;
    } catch {
      return false;
    }
  }).length;
}
