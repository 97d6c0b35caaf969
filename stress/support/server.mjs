// @ts-check
/** The server that is attacked, in a process of its own. It serves functions, and scripts in a folder that is given, and tells its address. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { declareArguments, defineCommand, defineScript, Server } from "iscep";

/**
 * @typedef {Omit<import("iscep").ServerOptions, "commands">} Options
 */
const [folder = ".", given = "{}"] = process.argv.slice(2);
const options = /** @type {Options} */ (JSON.parse(given));

/** @param {string} name @param {string} lines */
function file(name, lines) {
  const made = path.join(folder, `${name}.sh`);
  writeFileSync(made, `#!/bin/sh\n${lines}\n`, { mode: 0o700 });
  return made;
}

/** How often each tag was run. @type {Map<string, number>} */
const tally = new Map();

const functions = [
  defineCommand({
    name: "add",
    args: declareArguments({ a: { type: "number" }, b: { type: "number" } }),
    run: ({ a, b }) => a + b,
  }),
  defineCommand({
    name: "say",
    args: declareArguments({ text: { type: "string", multiline: true, maxLength: 8_000_000, allow: ["dash"] } }),
    run: ({ text }) => text,
  }),
  defineCommand({
    name: "nap",
    args: declareArguments({ ms: { type: "integer" }, tag: { type: "string", optional: true } }),
    run: async ({ ms, tag }, { signal }) => {
      if (tag !== undefined) tally.set(tag, (tally.get(tag) ?? 0) + 1);
      await sleep(ms, undefined, { signal });
      return tag ?? "woke";
    },
  }),
  defineCommand({
    name: "tally",
    args: declareArguments({ tag: { type: "string" } }),
    run: ({ tag }) => tally.get(tag) ?? 0,
  }),
  defineCommand({
    name: "big",
    args: declareArguments({ bytes: { type: "integer" } }),
    run: ({ bytes }) => "x".repeat(bytes),
  }),
  defineCommand({
    name: "chatter",
    args: declareArguments({ reports: { type: "integer" }, size: { type: "integer" } }),
    run: async ({ reports, size }, { progress, signal }) => {
      for (let index = 0; index < reports; index++) {
        progress(index / reports, "p".repeat(size));
        if (index % 1_000 === 999) await sleep(1, undefined, { signal });
      }
      return reports;
    },
  }),
  defineCommand({
    name: "print",
    args: declareArguments({ bytes: { type: "integer" }, piece: { type: "integer", default: 65_536 } }),
    run: async ({ bytes, piece }, { output, signal }) => {
      const block = Buffer.alloc(piece, "x");
      for (let written = 0; written < bytes; written += piece) {
        signal.throwIfAborted();
        await output.write("stdout", block.subarray(0, Math.min(piece, bytes - written)));
      }
      return bytes;
    },
  }),
  defineCommand({
    name: "boom",
    args: declareArguments({ text: { type: "string", allow: ["control", "dash"], multiline: true } }),
    run: ({ text }) => {
      throw new Error(text);
    },
  }),
  // A stuck function: it does not look at its signal.
  defineCommand({
    name: "stuck",
    args: declareArguments({ ms: { type: "integer" } }),
    run: ({ ms }) => sleep(ms),
  }),
  defineCommand({
    name: "memory",
    run: () => {
      globalThis.gc?.();
      return { ...process.memoryUsage(), resources: process.getActiveResourcesInfo().length };
    },
  }),
];

const scripts = [
  defineScript({ name: "hello", run: [file("hello", "echo hello")] }),
  defineScript({
    name: "numbered",
    run: [file("numbered", 'seq -f "$1 out %.0f" "$2"; seq -f "$1 err %.0f" "$2" >&2'), "{mark}", "{lines}"],
    args: { mark: { type: "string" }, lines: { type: "integer" } },
  }),
  defineScript({
    name: "zeros",
    run: [file("zeros", 'exec head -c "$1" /dev/zero'), "{bytes}"],
    args: { bytes: { type: "integer" } },
    output: "none",
    maxOutputBytes: 2 ** 40,
  }),
  // Each kind of child that is hard to find: in the group, and outside of it with and without the pipes.
  defineScript({
    name: "stay",
    run: [file("stay", "sleep 600 & setsid sleep 600 & setsid sleep 600 >/dev/null 2>&1 & echo begun; wait")],
  }),
  defineScript({
    name: "stubborn",
    run: [
      file(
        "stubborn",
        `trap '' TERM; setsid sh -c "trap '' TERM; while :; do sleep 1; done" & echo begun; while :; do sleep 1; done`,
      ),
    ],
  }),
];

const server = new Server({ ...options, commands: [...functions, ...scripts] });
const { url, port } = await server.listen();
process.send?.({ url, port });
process.on("message", () => {
  globalThis.gc?.();
  process.send?.({ ...process.memoryUsage(), resources: process.getActiveResourcesInfo().length });
});
process.on("disconnect", () => void server.close({ graceMs: 0 }).then(() => process.exit()));
