// `npm run stress` measures the figures of scripts, which takes a minute or two. `npm run stress -- cancels` measures
// one of them. `--short` takes little of each, with bounds for a machine that has other work as well, and then runs the
// tests that repeat themselves with more rounds than `npm test` (test/support/rounds.ts); `--long` has rounds for a night.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { cancels, firstByte, killedClients, manyAtOnce, slowReader, startServer, zombiesOf } from "./figures.mjs";

const MiB = 1024 * 1024;
const asked = process.argv.slice(2);
const isShort = asked.includes("--short");
const isLong = asked.includes("--long");
const names = asked.filter((word) => !word.startsWith("--"));
// Short rounds do not wait out the graces of a real server.
// Clients that were killed cannot say that they do not come back.
const server = await startServer(isShort ? { killGraceMs: 200, callerGraceMs: 100 } : { callerGraceMs: 5_000 });
let missed = 0;

/** @param {string} what @param {string} figure @param {string} promise @param {boolean} isKept */
function tell(what, figure, promise, isKept) {
  console.log(`${isKept ? "kept  " : "MISSED"}  ${what}: ${figure}; promised: ${promise}`);
  if (!isKept) missed++;
}

const groups = {
  async first() {
    const { bareMs, iscepMs, ratio } = await firstByte(server, isShort ? 15 : 200);
    const figure = `${iscepMs.toFixed(2)} ms, bare spawn ${bareMs.toFixed(2)} ms, ratio ${ratio.toFixed(2)}`;
    const most = isShort ? 6 : 1.5;
    tell("from call to first byte of output", figure, `at most ${most.toFixed(2)}`, ratio <= most && ratio > 0.5);
  },
  async many() {
    const { count, bytes, wrong, ms } = await manyAtOnce(server, 200, isShort ? 300 : 20_000);
    const figure = `${(bytes / MiB).toFixed(0)} MiB in ${(ms / 1000).toFixed(1)} s, ${wrong} outputs wrong`;
    tell(`${count} scripts at once`, figure, "no byte lost or mixed", wrong === 0);
  },
  async slow() {
    const size = (isShort ? 128 : 1024) * MiB;
    const { read, isWhole, growthBytes } = await slowReader(server, size);
    const figure = `${(read / MiB).toFixed(0)} MiB read, the server grew by ${(growthBytes / MiB).toFixed(1)} MiB`;
    tell(
      `${size / MiB} MiB to a slow reader`,
      figure,
      "all of it, and at most 32 MiB",
      isWhole && growthBytes <= 32 * MiB,
    );
  },
  async cancels() {
    const polite = await cancels(server, "stay", isShort ? 24 : 1_000);
    const figure = `median ${polite.medianMs.toFixed(0)} ms, slowest ${polite.slowestMs.toFixed(0)} ms, ${polite.left.length} processes left`;
    tell(
      `${polite.count} cancels`,
      figure,
      isShort ? "none left" : "none left, within 1 s",
      polite.left.length === 0 && (isShort || polite.slowestMs <= 1_000),
    );
    const stubborn = await cancels(server, "stubborn", isShort ? 12 : 96);
    const byForce = `median ${stubborn.medianMs.toFixed(0)} ms, slowest ${stubborn.slowestMs.toFixed(0)} ms, ${stubborn.left.length} processes left`;
    const isKept = stubborn.left.length === 0 && stubborn.slowestMs <= 6_000;
    tell(`${stubborn.count} cancels of scripts that ignore SIGTERM`, byForce, "none left, within 6 s", isKept);
  },
  async killed() {
    const { count, goneMs, left } = await (isShort ? killedClients(server, 6, 3) : killedClients(server, 200, 20));
    const figure = `all gone ${(goneMs / 1000).toFixed(1)} s after the last, ${left.length} processes left`;
    tell(
      `${count} killed clients`,
      figure,
      "none left, 5 s to come back and 1 s more",
      left.length === 0 && goneMs <= 6_000,
    );
  },
};

/** Every test file that asks how many rounds it must do. */
function filesWithRounds() {
  return readdirSync("test", { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".test.ts"))
    .map((file) => path.join("test", file))
    .filter((file) => /support\/(?:rounds|hostile-text)\.js"/.test(readFileSync(file, "utf8")));
}

try {
  for (const [name, measure] of Object.entries(groups)) if (names.length === 0 || names.includes(name)) await measure();
  const zombies = zombiesOf(server.pid);
  tell("the server's own children that have ended", `${zombies} zombies`, "none", zombies === 0);
} finally {
  await server.close();
}
if (isShort || isLong) {
  const vitest = ["node_modules/vitest/vitest.mjs", "run", "--project", "main", ...filesWithRounds()];
  const environment = { ...process.env, ISCEP_STRESS: isLong ? "long" : "short" };
  const { status } = spawnSync(process.execPath, vitest, { stdio: "inherit", env: environment });
  if (status !== 0) missed++;
}
process.exitCode = missed === 0 ? 0 : 1;
