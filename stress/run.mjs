// `npm run stress` measures the figures of scripts, which takes a minute or two. `npm run stress -- cancels` measures
// one of them.
import { cancels, firstByte, killedClients, manyAtOnce, slowReader, startServer, zombiesOf } from "./figures.mjs";

const MiB = 1024 * 1024;
const server = await startServer();
let missed = 0;

/** @param {string} what @param {string} figure @param {string} promise @param {boolean} isKept */
function tell(what, figure, promise, isKept) {
  console.log(`${isKept ? "kept  " : "MISSED"}  ${what}: ${figure}; promised: ${promise}`);
  if (!isKept) missed++;
}

const groups = {
  async first() {
    const { bareMs, iscepMs, ratio } = await firstByte(server, 200);
    const figure = `${iscepMs.toFixed(2)} ms, bare spawn ${bareMs.toFixed(2)} ms, ratio ${ratio.toFixed(2)}`;
    tell("from call to first byte of output", figure, "at most 1.50", ratio <= 1.5);
  },
  async many() {
    const { count, bytes, wrong, ms } = await manyAtOnce(server, 200, 20_000);
    const figure = `${(bytes / MiB).toFixed(0)} MiB in ${(ms / 1000).toFixed(1)} s, ${wrong} outputs wrong`;
    tell(`${count} scripts at once`, figure, "no byte lost or mixed", wrong === 0);
  },
  async slow() {
    const { read, isWhole, growthBytes } = await slowReader(server, 1024 * MiB);
    const figure = `${(read / MiB).toFixed(0)} MiB read, the server grew by ${(growthBytes / MiB).toFixed(1)} MiB`;
    tell("1 GiB to a slow reader", figure, "all of it, and at most 32 MiB", isWhole && growthBytes <= 32 * MiB);
  },
  async cancels() {
    const polite = await cancels(server, "stay", 1_000);
    const figure = `median ${polite.medianMs.toFixed(0)} ms, slowest ${polite.slowestMs.toFixed(0)} ms, ${polite.left.length} processes left`;
    tell(
      `${polite.count} cancels`,
      figure,
      "none left, within 1 s",
      polite.left.length === 0 && polite.slowestMs <= 1_000,
    );
    const stubborn = await cancels(server, "stubborn", 96);
    const byForce = `median ${stubborn.medianMs.toFixed(0)} ms, slowest ${stubborn.slowestMs.toFixed(0)} ms, ${stubborn.left.length} processes left`;
    const isKept = stubborn.left.length === 0 && stubborn.slowestMs <= 6_000;
    tell(`${stubborn.count} cancels of scripts that ignore SIGTERM`, byForce, "none left, within 6 s", isKept);
  },
  async killed() {
    const { count, goneMs, left } = await killedClients(server, 200, 20);
    const figure = `all gone ${(goneMs / 1000).toFixed(1)} s after the last, ${left.length} processes left`;
    tell(
      `${count} killed clients`,
      figure,
      "none left, 5 s to come back and 1 s more",
      left.length === 0 && goneMs <= 6_000,
    );
  },
};

try {
  const asked = process.argv.slice(2);
  for (const [name, measure] of Object.entries(groups)) if (asked.length === 0 || asked.includes(name)) await measure();
  const zombies = zombiesOf(server.pid);
  tell("the server's own children that have ended", `${zombies} zombies`, "none", zombies === 0);
} finally {
  await server.close();
}
process.exitCode = missed === 0 ? 0 : 1;
