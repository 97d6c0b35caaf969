/** Short versions of what `npm run stress` measures. PITFALLS A8: runs at once share nothing. D24, D25. */
import { expect, test } from "vitest";
import {
  cancels,
  firstByte,
  killedClients,
  manyAtOnce,
  slowReader,
  startServer,
  zombiesOf,
} from "../../../stress/figures.mjs";
import { watchForLeaks } from "../../support/leaks.js";
import { later } from "../../support/cleanup.js";

watchForLeaks();

async function open(limits?: Parameters<typeof startServer>[0]) {
  const server = await startServer(limits);
  later(() => server.close());
  return server;
}

test("200 scripts at once, no byte lost or mixed", async () => {
  expect(await manyAtOnce(await open(), 200, 300)).toMatchObject({ count: 200, wrong: 0 });
});

test("128 MiB to a slow reader come whole, and the server does not grow by them", async () => {
  const { isWhole, growthBytes } = await slowReader(await open(), 128 * 1024 * 1024);
  expect(isWhole).toBe(true);
  // The windows, and what the garbage collector has not looked at yet; the same as npm run stress with 1 GiB.
  expect(growthBytes).toBeLessThan(32 * 1024 * 1024);
});

test("cancels leave no process and no zombie, wherever the script's children went", async () => {
  const server = await open({ killGraceMs: 200 });
  expect(await cancels(server, "stay", 24)).toMatchObject({ left: [] });
  expect(await cancels(server, "stubborn", 12)).toMatchObject({ left: [] });
  expect(zombiesOf(server.pid)).toBe(0);
});

test("killed clients leave no process", async () => {
  expect(await killedClients(await open({ callerGraceMs: 100 }), 6, 3)).toMatchObject({ left: [] });
});

test("the first byte of a script's output comes soon after that of a bare spawn", async () => {
  const { ratio } = await firstByte(await open(), 15);
  expect(ratio).toBeGreaterThan(0.5);
  // The promise is 1.5, of a machine that has nothing else to do: npm run stress.
  expect(ratio).toBeLessThan(6);
});
