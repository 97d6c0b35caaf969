/** A server whose commands speak, wait, and start processes; it keeps its runs in a folder. */
import { appendFileSync, existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { declareArguments, defineCommand, defineScript, Server } from "iscep";

/**
 * Each byte tells its place.
 * @param {number} from
 * @param {number} length
 */
function pattern(from, length) {
  const bytes = Buffer.alloc(length);
  for (let index = 0; index < length; index++) bytes[index] = ((from + index) * 31 + ((from + index) >> 8)) & 255;
  return bytes;
}

const speak = defineCommand({
  name: "speak",
  description: "Writes a pattern to both channels, in turn",
  args: declareArguments({ bytes: { type: "integer" }, piece: { type: "integer" }, pauseMs: { type: "integer" } }),
  run: async ({ bytes, piece, pauseMs }, { output, signal }) => {
    let at = 0;
    for (let count = 0; at < bytes && !signal.aborted; count++) {
      const length = Math.min(piece, bytes - at);
      await output.write(count % 2 === 0 ? "stdout" : "stderr", pattern(at, length));
      at += length;
      if (pauseMs > 0) await sleep(pauseMs);
    }
    return { written: at };
  },
});

const add = defineCommand({
  name: "add",
  args: declareArguments({ a: { type: "integer" }, b: { type: "integer" } }),
  run: ({ a, b }) => a + b,
});
const large = defineCommand({
  name: "large",
  args: declareArguments({ bytes: { type: "integer" } }),
  run: ({ bytes }) => "x".repeat(bytes),
});

/**
 * @param {string} folder
 * @param {boolean} logs
 * @param {Partial<import("iscep").Limits>} limits
 */
export function keepingServer(folder, logs, limits) {
  const count = defineCommand({
    name: "count",
    description: "Leaves a line each time it runs",
    args: declareArguments({
      tag: { type: "string" },
      ms: { type: "integer" },
      secret: { type: "string", optional: true },
    }),
    run: async ({ tag, ms }, { signal }) => {
      appendFileSync(path.join(folder, "counted"), `${tag}\n`);
      await sleep(ms, undefined, { signal });
      return tag;
    },
  });

  const held = defineCommand({
    name: "held",
    description: "Leaves a line each time it runs, and ends when there is a file `go`",
    args: declareArguments({ tag: { type: "string" } }),
    run: async ({ tag }, { signal }) => {
      appendFileSync(path.join(folder, "counted"), `${tag}\n`);
      while (!existsSync(path.join(folder, "go"))) await sleep(10, undefined, { signal });
      return tag;
    },
  });

  const family = path.join(folder, "family.sh");
  writeFileSync(family, "#!/bin/sh\necho begun\n(sleep 300 & sleep 300) &\nsleep 300\n", { mode: 0o700 });
  const brief = path.join(folder, "brief.sh");
  writeFileSync(brief, "#!/bin/sh\necho out\necho err >&2\nexit 3\n", { mode: 0o700 });

  return new Server({
    commands: [
      speak,
      count,
      held,
      add,
      large,
      defineScript({ name: "family", run: [family] }),
      defineScript({ name: "shared_family", run: [family], concurrency: { limit: 1, whenFull: "join" } }),
      defineScript({ name: "brief", run: [brief] }),
    ],
    port: 0,
    tls: false,
    tokens: path.join(folder, "tokens.json"),
    runsFolder: path.join(folder, "runs"),
    ...(logs ? { logs: path.join(folder, "logs") } : {}),
    limits,
  });
}
