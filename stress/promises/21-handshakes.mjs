// @ts-check
import { connect } from "iscep";
import { attack } from "../support/attack.mjs";
import { runTests } from "../support/tests.mjs";
import { descriptorsOf, until, withServer } from "../support/serving.mjs";

export const number = 21;
export const promise = "broken handshakes are refused cleanly";
export const promised =
  "5,000 broken ClientHellos, one in ten of them cleartext: no crash, each answered or closed, nothing left; wrong, expired and missing client certificates: refused with a sentence";

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort }) {
  const count = isShort ? 300 : 5_000;
  // Their short form is the test itself.
  const certificates = isShort
    ? { measured: "by the tests", held: true }
    : await runTests(["test/server/client-certificates.test.ts"]);
  return withServer({ tls: true }, async (server) => {
    await attack("handshakes", { target: server.target, count: 50, seed: 1 });
    const before = descriptorsOf(server.pid);
    const { neither = Number.NaN } = await attack("handshakes", { target: server.target, count, seed: 21 });
    await until(() => descriptorsOf(server.pid) <= before, 10_000);
    const left = descriptorsOf(server.pid) - before;
    const client = await connect(server.url);
    const works = (await client.call("add", { a: 1, b: 2 })) === 3;
    await client.close();
    return {
      measured: `${count} handshakes: ${server.isAlive && works ? "no crash" : "A CRASH"}, ${neither} neither answered nor closed, ${Math.max(0, left)} descriptors left; certificates: ${certificates.measured}`,
      held: server.isAlive && works && neither === 0 && left <= 0 && certificates.held,
    };
  });
}
