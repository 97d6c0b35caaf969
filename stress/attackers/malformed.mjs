// @ts-check
/** Sends packets that are wrong in one way, each on a connection of its own, and counts those that are neither answered nor closed. */
import {
  dial,
  mutated,
  packet1,
  packet2,
  messages,
  parameters,
  randomOf,
  report,
  request,
  sleep,
  Type,
} from "./wire.mjs";

const { target, count = 0, seed = 0 } = parameters();
const random = randomOf(seed);
const token = "0123456789abcdef".repeat(4);
const good = [
  packet1(Type.echo, { auth_token: token, response: { echo: "hello" } }),
  packet1(Type.call, { auth_token: token, command: "add", args: { a: 1, b: 2 } }),
  packet1(Type.discover, { auth_token: token }),
  packet1(Type.hello, { versions: [2], nonce: "A".repeat(43), agent: "x" }),
  packet2(Type.data, Buffer.alloc(20)),
  messages(
    request(1, "call", { command: "add", args: { a: 1, b: 2 } }),
    request(2, "list"),
    request(3, "attach", { run: "x" }),
  ),
];
const hello = good[3] ?? Buffer.alloc(0);
let neither = 0;
let left = count;

async function one() {
  const socket = await dial(target);
  // Half of them break an open session of version 2, the others the first packet.
  if (random.below(2) === 0) socket.write(hello);
  const ended = new Promise((/** @type {(value: boolean) => void} */ resolve) => {
    socket.once("data", () => resolve(true));
    socket.once("close", () => resolve(true));
  });
  socket.write(mutated(good[random.below(good.length)] ?? hello, random));
  // What says too little to be answered ends with the connection: the peer says that nothing follows.
  socket.end();
  if (!(await Promise.race([ended, sleep(15_000).then(() => false)]))) neither++;
  socket.destroy();
}

await Promise.all(
  Array.from({ length: 32 }, async () => {
    while (left-- > 0) await one();
  }),
);
report({ count, neither });
