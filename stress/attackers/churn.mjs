// @ts-check
/** Connects, calls one command with its token, closes; again and again, in both versions. */
import { dial, packet1, parameters, report, session, Splitter, Type } from "./wire.mjs";

const { target, token, count = 0 } = parameters();
let left = count;
let failed = 0;

async function version1() {
  const socket = await dial(target);
  const splitter = new Splitter();
  const answer = new Promise((/** @type {(type: number) => void} */ resolve) => {
    socket.on("data", (/** @type {Buffer} */ chunk) => {
      for (const { type } of splitter.push(chunk)) resolve(type);
    });
    socket.on("close", () => resolve(-1));
  });
  socket.write(packet1(Type.call, { auth_token: token, command: "add", args: { a: 1, b: 2 } }));
  if ((await answer) !== Type.response) failed++;
  socket.destroy();
}

async function version2() {
  const open = await session(target, token);
  const answer = await open.ask("call", { command: "add", args: { a: 1, b: 2 } });
  if (answer?.result === undefined) failed++;
  open.socket.destroy();
}

await Promise.all(
  Array.from({ length: 16 }, async () => {
    while (left-- > 0) await (left % 2 === 0 ? version1() : version2()).catch(() => failed++);
  }),
);
report({ count, failed });
