// @ts-check
import { readFileSync } from "node:fs";
import path from "node:path";
import { defaultLimits } from "iscep";
import { Version1ServerSession } from "#iscep/session/version1-server";
import { randomOf } from "../attackers/wire.mjs";

export const number = 2;
export const promise = "how the network cuts a stream makes no difference";
export const promised =
  "each exchange of the original at every cut in two, byte by byte, and 10,000 random cuts: the same packets are read";

const vectors = /** @type {{ exchanges: { client_to_server: { hex: string } }[] }} */ (
  JSON.parse(readFileSync(path.join(import.meta.dirname, "../../test/vectors/v1.json"), "utf8"))
);

/** @param {readonly Buffer[]} chunks */
function read(chunks) {
  const session = new Version1ServerSession(defaultLimits, 65_535);
  const events = [];
  for (const chunk of chunks) {
    session.receive(chunk);
    for (let event = session.next(); event !== undefined; event = session.next()) {
      events.push(event.kind === "malformed" ? [event.kind, event.error.message, event.fatal] : event);
      if (event.kind === "gone" || event.kind === "hello" || (event.kind === "malformed" && event.fatal))
        return JSON.stringify(events);
    }
  }
  return JSON.stringify(events);
}

/** @param {import("../run.mjs").Effort} effort */
export function run({ isShort }) {
  const random = randomOf(7);
  const streams = vectors.exchanges.map((exchange) => Buffer.from(exchange.client_to_server.hex, "hex"));
  let cuts = 0;
  let different = 0;
  /** @param {string} whole @param {readonly Buffer[]} chunks */
  const compare = (whole, chunks) => {
    cuts++;
    if (read(chunks) !== whole) different++;
  };
  for (const bytes of streams) {
    const whole = read([bytes]);
    compare(whole, Array.from(bytes.subarray(0, 100_000), (byte) => Buffer.of(byte)).concat(bytes.subarray(100_000)));
    const step = Math.max(1, Math.floor(bytes.length / (isShort ? 50 : 5_000)));
    for (let at = 1; at < bytes.length; at += step) compare(whole, [bytes.subarray(0, at), bytes.subarray(at)]);
  }
  for (let index = 0; index < (isShort ? 500 : 10_000); index++) {
    const bytes = streams[random.below(streams.length)] ?? Buffer.alloc(0);
    const places = Array.from({ length: random.below(6) }, () => random.below(bytes.length + 1)).sort((a, b) => a - b);
    const edges = [0, ...places, bytes.length];
    compare(
      read([bytes]),
      edges.slice(1).map((end, at) => bytes.subarray(edges[at] ?? 0, end)),
    );
  }
  return Promise.resolve({
    measured: `${streams.length} exchanges, ${cuts.toLocaleString("en-US")} ways to cut them: ${different} read differently`,
    held: different === 0,
  });
}
