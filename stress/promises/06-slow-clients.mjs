// @ts-check
import { attack, startHonest } from "../support/attack.mjs";
import { withServer } from "../support/serving.mjs";

export const number = 6;
export const promise = "slow clients do not hurt others";
export const promised =
  "1,000 silent TLS handshakes and 1,000 packets at a byte a second: 0 honest failures, honest p99 at most 25 ms; all of them gone at most 1 s after their deadline (10 s)";

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort, slack }) {
  const each = isShort ? 200 : 1_000;
  const deadlineMs = isShort ? 3_000 : 10_000;
  const limits = { authenticationTimeoutMs: deadlineMs, packetTimeoutMs: deadlineMs };
  return withServer({ tokens: true, limits }, (plain) =>
    withServer({ tokens: true, tls: true, limits }, async (tls) => {
      // On the server that most of the attackers wait for, and on the other one.
      const honest = await startHonest({ url: plain.url, token: plain.token });
      const overTls = await startHonest({ url: tls.url, token: tls.token });
      const half = each / 2;
      const attackers = [
        attack("slow", { silentTarget: tls.target, target: plain.target, silent: each, dripping: half }),
        attack("slow", { silentTarget: tls.target, target: plain.target, silent: 0, dripping: half }),
      ];
      const figures = await Promise.all(attackers);
      const callers = [await honest.stop(), await overTls.stop()];
      const failed = callers.reduce((sum, one) => sum + one.failed, 0);
      const p99Ms = Math.max(...callers.map((one) => one.p99Ms));
      const longestMs = Math.max(...figures.map((one) => one["longestMs"] ?? Number.NaN));
      const opened = figures.reduce((sum, one) => sum + (one["opened"] ?? 0), 0);
      return {
        measured: `${opened} attackers: ${failed} failures of ${callers.reduce((sum, one) => sum + one.calls, 0)} honest calls, p99 ${p99Ms.toFixed(1)} ms; the last attacker gone after ${(longestMs / 1_000).toFixed(1)} s`,
        held: failed === 0 && p99Ms <= 25 * slack && longestMs <= deadlineMs + 1_000 * slack,
      };
    }),
  );
}
