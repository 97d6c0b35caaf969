// What `iscep serve` costs until it listens: the process as people start it, in a folder with an iscep.yaml.
import { spawn } from "node:child_process";
import { readFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
/** Linux counts processor time in these. */
const ticksPerSecond = 100;

export async function startOfServe({ http }) {
  const folder = await mkdtemp(join(tmpdir(), "iscep-bench-start-"));
  const lines = ["listen: 127.0.0.1:0", "tls: false", `http: ${http}`, "commands:", "  hello: { run: [echo, hello] }"];
  await writeFile(join(folder, "iscep.yaml"), `${lines.join("\n")}\n`);
  const startedMs = performance.now();
  const server = spawn(process.execPath, [main, "serve"], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder },
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    // With HTTP there are two addresses, and this is the last.
    const last = http ? "listening on http:" : "listening on iscep";
    let isUp = false;
    for await (const line of createInterface({ input: server.stdout })) {
      if (line.startsWith(last)) {
        isUp = true;
        break;
      }
    }
    if (!isUp) throw new Error("iscep serve did not start");
    const startMs = performance.now() - startedMs;
    const [stat, status] = await Promise.all(
      ["stat", "status"].map((name) => readFile(`/proc/${server.pid}/${name}`, "utf8")),
    );
    // The name of the program may have spaces, and stands in brackets before all numbers.
    const numbers = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(numbers[11]) + Number(numbers[12]);
    const kilobytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
    return { startMs, processorMs: (1000 * ticks) / ticksPerSecond, megabytes: kilobytes / 1024 };
  } finally {
    const ended = new Promise((resolve) => server.once("exit", resolve));
    server.kill();
    await ended;
    await rm(folder, { recursive: true, force: true });
  }
}
