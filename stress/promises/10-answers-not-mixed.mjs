// @ts-check
import { connect, isIscepError } from "iscep";
import { randomOf } from "../attackers/wire.mjs";
import { withServer } from "../support/serving.mjs";

export const number = 10;
export const promise = "answers are never mixed";
export const promised =
  "100,000 commands, 64 at once, with random timeouts and cancels: no answer of another call; a version 1 client ends its connection after a timeout";

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort }) {
  const count = isShort ? 5_000 : 100_000;
  return withServer({}, async (server) => {
    const random = randomOf(10);
    const client = await connect(server.url, { protocol: 2 });
    let wrong = 0;
    let cut = 0;
    let next = 0;
    const ended = new Set(["timeout", "cancelled", "busy"]);
    await Promise.all(
      Array.from({ length: 64 }, async () => {
        while (next < count) {
          const index = next++;
          const tag = `call-${index}`;
          const kind = index % 100;
          const ms = kind < 90 ? 0 : random.below(20);
          const controller = new AbortController();
          if (kind >= 98) setTimeout(() => controller.abort(), random.below(10));
          try {
            // Most calls answer in the turn in which they began, some later, so that answers overtake each other.
            const answer =
              ms === 0
                ? await client.call("say", { text: tag })
                : await client.call(
                    "nap",
                    { ms, tag },
                    { timeoutMs: kind >= 95 ? 1 + random.below(15) : 5_000, signal: controller.signal },
                  );
            if (answer !== tag) wrong++;
          } catch (error) {
            if (!isIscepError(error) || !ended.has(error.code)) throw error;
            cut++;
          }
        }
      }),
    );
    await client.close();
    const first = await connect(server.url, { protocol: 1 });
    let mixed = 0;
    for (let round = 0; round < 20; round++) {
      await first.call("nap", { ms: 60, tag: `late-${round}` }, { timeoutMs: 10 }).catch(() => {});
      if ((await first.call("say", { text: `next-${round}` })) !== `next-${round}`) mixed++;
    }
    await first.close();
    return {
      measured: `${count.toLocaleString("en-US")} commands, ${cut} of them ended early: ${wrong} wrong answers; version 1: ${mixed} of 20 mixed after a timeout`,
      held: wrong + mixed === 0,
    };
  });
}
