// @ts-check
import { once } from "node:events";
import { connect as connectNet, createServer } from "node:net";
import { connect, isIscepError } from "iscep";
import { withServer } from "../support/serving.mjs";

export const number = 11;
export const promise = "a command runs at most once";
export const promised =
  "the connection is cut at every byte of an exchange, in both directions, three times: each command ran once or not at all, and its caller is not told that it did not run when it did";

/**
 * Passes bytes on until so many went in one direction; then it cuts the connection, and passes all later ones whole.
 * @param {number} port
 */
async function cutter(port) {
  /** @type {{ direction: "up" | "down", left: number } | undefined} */
  let cut;
  const proxy = createServer((client) => {
    const server = connectNet({ host: "127.0.0.1", port });
    const end = () => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on("error", end).on("close", end);
    /** @param {import("node:net").Socket} from @param {import("node:net").Socket} to @param {"up" | "down"} direction */
    const pass = (from, to, direction) => {
      from.on("data", (/** @type {Buffer} */ chunk) => {
        if (cut?.direction !== direction) return void to.write(chunk);
        if (chunk.length <= cut.left) {
          cut.left -= chunk.length;
          return void to.write(chunk);
        }
        const last = chunk.subarray(0, cut.left);
        cut = undefined;
        to.write(last, () => setImmediate(end));
        return undefined;
      });
    };
    pass(client, server, "up");
    pass(server, client, "down");
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const address = proxy.address();
  return {
    url: `iscep+tcp://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`,
    /** @param {"up" | "down"} direction @param {number} left */
    cutAt: (direction, left) => (cut = { direction, left }),
    get isCut() {
      return cut === undefined;
    },
    close: () => proxy.close(),
  };
}

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort }) {
  return withServer({}, async (server) => {
    const { port } = server.target;
    const direct = await connect(server.url);
    const proxy = await cutter(port);
    let cuts = 0;
    let twice = 0;
    let denied = 0;
    let unknown = 0;
    const rounds = isShort ? 1 : 3;
    const step = isShort ? 13 : 1;
    for (const protocol of /** @type {const} */ ([1, 2])) {
      for (const direction of /** @type {const} */ (["up", "down"])) {
        for (let at = 0; ; at += step) {
          let reached = false;
          for (let round = 0; round < rounds; round++) {
            const tag = `${protocol}-${direction}-${at}-${round}`;
            proxy.cutAt(direction, at);
            let code = "";
            try {
              const client = await connect(proxy.url, { protocol, limits: { reconnectTimeoutMs: 500 } });
              await client
                .call("nap", { ms: 0, tag }, { timeoutMs: 3_000 })
                .catch((/** @type {unknown} */ error) => (code = codeOf(error)));
              await client.close();
            } catch (error) {
              code = codeOf(error);
            }
            if (!proxy.isCut) break;
            reached = true;
            cuts++;
            const ran = await direct.call("tally", { tag });
            if (typeof ran === "number" && ran > 1) twice++;
            if (ran === 1 && code !== "" && code !== "lost") denied++;
            if (code === "lost") unknown++;
          }
          if (!reached) break;
        }
      }
    }
    proxy.close();
    await direct.close();
    return {
      measured: `${cuts} cuts: ${twice} ran twice, ${denied} ran although their caller was told that they did not, ${unknown} callers were told that nobody knows`,
      held: cuts > (isShort ? 20 : 1_000) && twice + denied === 0,
    };
  });
}

/** @param {unknown} error */
function codeOf(error) {
  return isIscepError(error) ? error.code : "other";
}
