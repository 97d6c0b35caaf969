// @ts-check
/** ClientHellos that are wrong in one way, and cleartext, on a port of TLS. */
import { connect as connectTls } from "node:tls";
import { Duplex } from "node:stream";
import { dialSilently, mutated, packet1, parameters, randomOf, report, sleep, Type } from "./wire.mjs";

const { target, count = 0, seed = 0 } = parameters();
const random = randomOf(seed);

/** What Node's own TLS would send first. @returns {Promise<Buffer>} */
function clientHello() {
  return new Promise((resolve) => {
    const wire = new Duplex({
      read() {},
      write(/** @type {Buffer} */ chunk, _encoding, done) {
        resolve(chunk);
        done();
      },
    });
    connectTls({ socket: wire, rejectUnauthorized: false }).on("error", () => {});
  });
}

const hello = await clientHello();
let left = count;
let neither = 0;

async function one() {
  const socket = dialSilently(target);
  const ended = new Promise((/** @type {(value: boolean) => void} */ resolve) => {
    socket.once("data", () => resolve(true));
    socket.once("close", () => resolve(true));
  });
  const first = left % 10 === 0 ? packet1(Type.echo, { response: { echo: "plain" } }) : mutated(hello, random);
  socket.on("connect", () => socket.end(first));
  if (!(await Promise.race([ended, sleep(15_000).then(() => false)]))) neither++;
  socket.destroy();
}

await Promise.all(
  Array.from({ length: 32 }, async () => {
    while (left-- > 0) await one();
  }),
);
report({ count, neither });
