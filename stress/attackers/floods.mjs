// @ts-check
/** Floods of things that cost the sender nothing: calls that are cancelled at once, pings, unknown methods, windows. */
import { messages, notification, parameters, report, request, session, sleep } from "./wire.mjs";

const { target, token, count = 0 } = parameters();

/** @param {(index: number) => readonly unknown[]} make */
async function flood(make) {
  const open = await session(target, token);
  let sent = 0;
  for (; sent < count && !open.isClosed; sent++) {
    const fits = open.socket.write(messages(...make(sent)));
    if (!fits) await Promise.race([open.closed, new Promise((resolve) => open.socket.once("drain", resolve))]);
    if (sent % 50 === 49) await sleep(1);
  }
  await Promise.race([open.closed, sleep(5_000)]);
  open.socket.destroy();
  return { sent, ended: open.goaway === undefined ? 0 : 1 };
}

const cancelled = await flood((index) => [
  request(10 + 2 * index, "call", { command: "stay", args: {} }),
  request(11 + 2 * index, "cancel", { call: 10 + 2 * index }),
]);
const pings = await flood((index) => [request(10 + index, "ping")]);
const unknown = await flood((index) => [request(10 + index, "no_such_method")]);
const windows = await flood(() => [notification("window", { stream: 0, bytes: 2 ** 30 })]);
report({
  cancelsSent: cancelled.sent,
  pingsSent: pings.sent,
  ended: cancelled.ended + pings.ended + unknown.ended + windows.ended,
  floods: 4,
});
