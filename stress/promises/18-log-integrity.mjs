// @ts-check
import { readFileSync } from "node:fs";
import path from "node:path";
import { attack } from "../support/attack.mjs";
import { withServer } from "../support/serving.mjs";
import { runTests } from "../support/tests.mjs";

export const number = 18;
export const promise = "a log line is one event, whatever was sent";
export const promised =
  "20,000 hostile texts in each field: as many lines as events, no control characters; 100,000 broken packets: at most a line a second";

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort }) {
  // Their short form is the test itself.
  const tests = isShort
    ? { measured: "fields: by the tests", held: true }
    : await runTests(["test/logs/hostile.test.ts", "test/logs/safe.test.ts"], "long");
  const count = isShort ? 2_000 : 100_000;
  return withServer({ tokens: true }, async (server) => {
    const fromMs = performance.now();
    const { sent = 0 } = await attack("log-flood", { target: server.target, count, kind: 2 });
    const seconds = (performance.now() - fromMs) / 1_000;
    server.child.disconnect();
    await server.exited;
    const text = readFileSync(path.join(server.folder, "logs/error.log"), "utf8");
    const lines = text.split("\n").slice(0, -1);
    for (const line of lines) JSON.parse(line);
    // eslint-disable-next-line no-control-regex
    const clean = !/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029]/.test(text);
    return {
      measured: `${tests.measured}; ${sent} broken packets in ${seconds.toFixed(0)} s: ${lines.length} lines, ${clean ? "no" : "SOME"} control characters`,
      held: tests.held && clean && lines.length >= 1 && lines.length <= seconds + 3,
    };
  });
}
