/** A process that stood still, as a machine does that has much else to do, must not blame others for its own silence. */
import { expect, test } from "vitest";
import { gate } from "../support/commands.js";
import { watchForLeaks } from "../support/leaks.js";
import { rawPacket, Type } from "../support/raw-packets.js";
import { startServer, tokens } from "../support/servers.js";

watchForLeaks();

function standStill(forMs: number): void {
  const untilMs = performance.now() + forMs;
  while (performance.now() < untilMs);
}

test("a server reads what came meanwhile before it cuts a peer that seemed to be idle", async () => {
  const server = await startServer({ limits: { idleTimeoutMs: 200 } });
  const peer = await server.raw();
  const echo = rawPacket(Type.echo, { auth_token: tokens.alice, response: { echo: 1 } });
  expect((await peer.send(echo).answer()).type).toBe(Type.echo);
  peer.send(echo);
  standStill(300);
  expect((await peer.answer()).type).toBe(Type.echo);
});

test("a client reads an answer that came meanwhile before it gives up its call", async () => {
  const slow = gate();
  const server = await startServer({ commands: [slow.command] });
  const client = await server.client({ limits: { answerGraceMs: 50 } });
  const run = client.run("gate", {}, { timeoutMs: 100 });
  await run.id;
  standStill(200);
  // Both times are over. That the server has stopped the run is what counts.
  expect(await run.outcome).toMatchObject({ status: "timeout" });
});
