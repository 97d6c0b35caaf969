// Serves commands that speak, wait, and start processes; keeps its runs in the folder that it is given. Prints its address.
import { appendFileSync, existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { defineCommand, defineScript, Server } from "iscep";

const [folder = "", logs = "no", limits = "{}"] = process.argv.slice(2);

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
  args: z.object({ bytes: z.int(), piece: z.int(), pauseMs: z.int() }),
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

const count = defineCommand({
  name: "count",
  description: "Leaves a line each time it runs",
  args: z.object({ tag: z.string(), ms: z.int(), secret: z.string().optional() }),
  run: async ({ tag, ms }, { signal }) => {
    appendFileSync(path.join(folder, "counted"), `${tag}\n`);
    await sleep(ms, undefined, { signal });
    return tag;
  },
});

const held = defineCommand({
  name: "held",
  description: "Leaves a line each time it runs, and ends when there is a file `go`",
  args: z.object({ tag: z.string() }),
  run: async ({ tag }, { signal }) => {
    appendFileSync(path.join(folder, "counted"), `${tag}\n`);
    while (!existsSync(path.join(folder, "go"))) await sleep(10, undefined, { signal });
    return tag;
  },
});

const add = defineCommand({ name: "add", args: z.object({ a: z.int(), b: z.int() }), run: ({ a, b }) => a + b });
const large = defineCommand({
  name: "large",
  args: z.object({ bytes: z.int() }),
  run: ({ bytes }) => "x".repeat(bytes),
});

const family = path.join(folder, "family.sh");
writeFileSync(family, "#!/bin/sh\necho begun\n(sleep 300 & sleep 300) &\nsleep 300\n", { mode: 0o700 });
const brief = path.join(folder, "brief.sh");
writeFileSync(brief, "#!/bin/sh\necho out\necho err >&2\nexit 3\n", { mode: 0o700 });

const server = new Server({
  commands: [
    speak,
    count,
    held,
    add,
    large,
    defineScript({ name: "family", run: [family] }),
    defineScript({ name: "brief", run: [brief] }),
  ],
  port: 0,
  tls: false,
  tokens: path.join(folder, "tokens.json"),
  runsFolder: path.join(folder, "runs"),
  ...(logs === "no" ? {} : { logs: path.join(folder, "logs") }),
  limits: JSON.parse(limits),
});
const { url } = await server.listen();
process.on("SIGTERM", () => void server.close({ graceMs: 0 }));
// What is under way may end, however long that takes.
process.on("SIGUSR2", () => void server.close({ graceMs: 600_000 }));
console.log(url);
