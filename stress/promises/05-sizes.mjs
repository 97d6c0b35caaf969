// @ts-check
import { createHash } from "node:crypto";
import { connect } from "iscep";
import { dial, messages, packet1, request, session, Type } from "../attackers/wire.mjs";
import { withServer } from "../support/serving.mjs";

export const number = 5;
export const promise = "every size up to the limit works, and one beyond it gets one clear error";
export const promised =
  "values of 64 KiB, 1 MiB and nearly 4 MiB and 64 MiB of output, plain and TLS: equal by hash; beyond the limit: one error, then the end";

const MiB = 1024 * 1024;

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort }) {
  let equal = 0;
  let tried = 0;
  let refused = 0;
  for (const tls of [false, true]) {
    await withServer({ tls }, async (server) => {
      const client = await connect(server.url);
      for (const size of [64 * 1024, MiB, 4 * MiB - 16 * 1024]) {
        tried++;
        const text = "abcdefgh".repeat(size / 8);
        if ((await client.call("say", { text })) === text) equal++;
      }
      tried++;
      const bytes = isShort ? 8 * MiB : 64 * MiB;
      const hash = createHash("sha256");
      const run = client.run("print", { bytes });
      for await (const chunk of run.output) hash.update(chunk.bytes);
      if (hash.digest("hex") === createHash("sha256").update(Buffer.alloc(bytes, "x")).digest("hex")) equal++;
      await client.close();
      // One beyond the limit in each version, by hand, as our client would refuse to send it.
      const socket = await dial(server.target);
      let answers = 0;
      socket.on("data", (/** @type {Buffer} */ chunk) => (answers += chunk.readUInt16BE(4) === Type.error ? 1 : 10));
      const ended = new Promise((resolve) => socket.on("close", resolve));
      socket.write(packet1(Type.echo, "x", { size: 4 * MiB + 1 }));
      await ended;
      const open = await session(server.target);
      open.socket.write(messages(request(9, "echo", { value: "x".repeat(4 * MiB) })));
      await open.closed;
      if (answers === 1 && open.goaway !== undefined) refused++;
    });
  }
  return {
    measured: `${equal} of ${tried} equal; beyond the limit ${refused} of 2 servers gave one error and ended the connection`,
    held: equal === tried && refused === 2,
  };
}
