// @ts-check
import { readFileSync } from "node:fs";
import path from "node:path";
import { defaultLimits } from "iscep";
import { Version1ServerSession } from "#iscep/session/version1-server";
import { Version2ServerSession } from "#iscep/session/version2-server";
import { mutated, packet1, packet2, randomOf, Type } from "../attackers/wire.mjs";
import { attack } from "../support/attack.mjs";
import { descriptorsOf, until, withServer } from "../support/serving.mjs";

export const number = 1;
export const promise = "malformed input neither crashes a server nor leaks";
export const promised =
  "1,000,000 broken packets in memory, 20,000 on plain and 5,000 on TLS connections: 0 crashes, 0 descriptors left, each answered or closed";

const vectors = /** @type {{ exchanges: { client_to_server: { hex: string } }[] }} */ (
  JSON.parse(readFileSync(path.join(import.meta.dirname, "../../test/vectors/v1.json"), "utf8"))
);

/** @param {number} count */
function inMemory(count) {
  const random = randomOf(1);
  const hello = packet1(Type.hello, { versions: [2], nonce: "A".repeat(43), agent: "x" });
  const call = packet2(Type.messages, [
    { jsonrpc: "2.0", id: 1, method: "call", params: { command: "add", args: {} } },
  ]);
  const data = packet2(Type.data, Buffer.alloc(40));
  const good = [
    ...vectors.exchanges.map((exchange) => Buffer.from(exchange.client_to_server.hex, "hex")),
    hello,
    call,
    data,
  ];
  let crashes = 0;
  for (let index = 0; index < count; index++) {
    const packet = mutated(good[random.below(good.length)] ?? hello, random);
    try {
      const session =
        index % 2 === 0 ? new Version1ServerSession(defaultLimits, 65_535) : new Version2ServerSession(defaultLimits);
      if (index % 2 === 1 && random.below(4) > 0) session.receive(hello);
      session.receive(packet);
      for (let events = 0; events < 10_000; events++) {
        const event = session.next();
        if (event === undefined || event.kind === "gone" || event.kind === "violation") break;
        if (event.kind === "malformed" && event.fatal) break;
      }
    } catch {
      crashes++;
    }
  }
  return crashes;
}

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort }) {
  const [frames, plain, tls] = isShort ? [20_000, 400, 100] : [1_000_000, 20_000, 5_000];
  const crashes = inMemory(frames);
  /** @param {boolean} isTls @param {number} count */
  const onSockets = (isTls, count) =>
    withServer({ tls: isTls, tokens: true }, async (server) => {
      await attack("malformed", { target: server.target, count: 32, seed: 2 });
      const before = descriptorsOf(server.pid);
      const { neither = Number.NaN } = await attack("malformed", { target: server.target, count, seed: 3 });
      await until(() => descriptorsOf(server.pid) <= before, 15_000);
      return { isAlive: server.isAlive, neither, left: Math.max(0, descriptorsOf(server.pid) - before) };
    });
  const results = [await onSockets(false, plain), await onSockets(true, tls)];
  const neither = results.reduce((sum, one) => sum + one.neither, 0);
  const left = results.reduce((sum, one) => sum + one.left, 0);
  const dead = results.filter(({ isAlive }) => !isAlive).length;
  return {
    measured: `${frames.toLocaleString("en-US")} in memory, ${plain} plain, ${tls} TLS: ${crashes + dead} crashes, ${left} descriptors left, ${neither} neither answered nor closed`,
    held: crashes + dead + left + neither === 0,
  };
}
