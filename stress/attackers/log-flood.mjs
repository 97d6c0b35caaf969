// @ts-check
/** With a good token: calls that are refused, as fast as they are answered. Without: packets that cannot be read. */
import { dial, messages, packet1, parameters, report, request, session, sleep, Type } from "./wire.mjs";

const { target, token, count = 1_000, kind = 1 } = parameters();
let sent = 0;
if (kind === 1) {
  const open = await session(target, token);
  while (sent < count && !open.isClosed) {
    const batch = Array.from({ length: 100 }, (_, at) =>
      request(10 + sent + at, "call", { command: "add", args: { wrong: `${at}` } }),
    );
    open.socket.write(messages(...batch));
    sent += batch.length;
    await sleep(2);
  }
  await open.ask("echo", { value: 1 });
  open.socket.destroy();
} else {
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      while (sent < count) {
        const socket = await dial(target);
        const closed = new Promise((resolve) => socket.once("close", resolve));
        socket.on("data", () => {});
        for (let at = 0; at < 20; at++) socket.write(packet1(Type.echo, `{"broken\u0007": ${at}`));
        sent += 20;
        await Promise.race([closed, sleep(2_000)]);
        socket.destroy();
      }
    }),
  );
}
report({ sent });
